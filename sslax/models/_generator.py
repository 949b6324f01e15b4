"""The networks of unpaired image translation: generator, discriminator, patch heads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.core import Net
from sslax.models._layers import Conv, Dense
from sslax.models._nets import Selected, compute_dtype, from_linen, select
from sslax.platforms import computed_once

__all__ = ["patch_discriminator", "patch_heads", "resnet_generator"]

# Xavier's normal with gain 0.02.
_INIT = nn.initializers.variance_scaling(0.02**2, "fan_avg", "normal")


def _instance_norm(x):
    """Every channel of every image to mean 0 and variance 1; nothing is learned."""
    y = at_least_float32(x)
    y = y - y.mean(axis=(1, 2), keepdims=True)
    var = jnp.square(y).mean(axis=(1, 2), keepdims=True)
    return (y * lax.rsqrt(var + 1e-5)).astype(x.dtype)


def _reflect(x, margin):
    edges = (margin, margin)
    return jnp.pad(x, ((0, 0), edges, edges, (0, 0)), mode="reflect")


def _blur_down(x):
    """[1 2 1] / 4 along rows and columns, reflected at the edges; every second."""
    x = _reflect(x, 1)
    x = (x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:])[:, ::2]
    x = (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:])[:, :, ::2]
    return x / 16


def _blur_up(x):
    """Twice the size by [1 3 3 1] / 4 along rows and columns, edges repeated."""
    for axis in (1, 2):
        size = x.shape[axis]
        edges = [(1, 1) if i == axis else (0, 0) for i in range(4)]
        padded = jnp.pad(x, edges, mode="edge")
        before = lax.slice_in_dim(padded, 0, size, axis=axis)
        after = lax.slice_in_dim(padded, 2, size + 2, axis=axis)
        pair = jnp.stack([before + 3 * x, 3 * x + after], axis=axis + 1) / 4
        shape = [2 * s if i == axis else s for i, s in enumerate(x.shape)]
        x = pair.reshape(shape)
    return x


class Generator(nn.Module):
    """Convolutions down, residual blocks, convolutions up; `output` names what."""

    width: int
    blocks: int
    channels: int
    output: Any
    conv: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool = False) -> Selected:
        outputs = {}
        outputs["padded"] = x = computed_once(_reflect(x, 3))
        x = self.conv(self.width, 7, padding=0, name="first")(x)
        x = nn.relu(_instance_norm(x))
        for i in (1, 2):
            x = self.conv(self.width * 2**i, 3, name=f"down{i}")(x)
            outputs[f"down{i}"] = x
            x = computed_once(_blur_down(nn.relu(_instance_norm(x))))
        for i in range(1, self.blocks + 1):
            y = x
            for j in (1, 2):
                y = self.conv(x.shape[-1], 3, padding=0, name=f"block{i}_conv{j}")(
                    _reflect(y, 1)
                )
                y = _instance_norm(y)
                y = nn.relu(y) if j == 1 else y
            outputs[f"block{i}"] = x = computed_once(x + y)
        for i in (1, 2):
            x = self.conv(self.width * 2 ** (2 - i), 3, name=f"up{i}")(
                computed_once(_blur_up(x))
            )
            x = computed_once(nn.relu(_instance_norm(x)))
        x = self.conv(self.channels, 7, padding=0, name="last")(
            computed_once(_reflect(x, 3))
        )
        outputs["image"] = jnp.tanh(at_least_float32(x))
        return select(outputs, self.output)


def resnet_generator(
    *,
    width: int = 64,
    blocks: int = 9,
    channels: int = 3,
    output: str | Sequence[str] = "image",
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """The generator of CUT: images `[b h w c]` in [-1, 1] into images of another look.

    Instance norm without parameters, reflected edges, blurs where the size changes. The
    parameters do not depend on `output`, so a net of features and a net of images may
    share them; what is not asked for is not computed under jit.

    Args:
      width: channels at full size; twice and four times as many below.
      blocks: residual blocks: 9, 6 or 4.
      channels: of the image that is made.
      output: "image" [b h w channels]; the features that CUT compares are "padded" (the
        image with its reflected edge), "down1", "down2" (before their norm), "block1"
        and "block5"; several names give a dict.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU); same parameters.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images whose sides 4 divides, values in (-1, 1).

    Raises:
      ValueError: an unknown output or dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = resnet_generator(width=4, blocks=1, output=("down2", "image"))
      >>> image = jnp.zeros((1, 16, 16, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> out, _ = jax.eval_shape(net.apply, params, stats, image)
      >>> out["down2"].shape, out["image"].shape
      ((1, 8, 8, 16), (1, 16, 16, 3))

    References:
      Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", 2020,
      arXiv:2007.15651, section 4. Zhang, "Making Convolutional Networks Shift-Invariant
      Again", 2019, arXiv:1904.11486 (blurs).
    """
    module = Generator(
        width=width,
        blocks=blocks,
        channels=channels,
        output=output,
        conv=_conv(conv_impl, dtype),
    )
    return from_linen(module)


def _conv(conv_impl, dtype):
    return partial(
        Conv,
        use_bias=True,
        kernel_init=_INIT,
        impl=conv_impl,
        dtype=compute_dtype(dtype),
    )


class Discriminator(nn.Module):
    """4x4 convolutions with blurs between, to a map of logits."""

    width: int
    layers: int
    conv: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b i j d"]:
        least = 3 * 2**self.layers
        if min(x.shape[1:3]) < least:
            raise ValueError(
                f"images of {x.shape[1]} x {x.shape[2]} pixels are too small for "
                f"patches of {self.layers} layers, which need sides of {least} or more"
            )
        for i in range(self.layers + 1):
            x = self.conv(self.width * min(2**i, 8), 4, padding=1, name=f"conv{i + 1}")(
                x
            )
            x = jax.nn.leaky_relu(_instance_norm(x) if i else x, 0.2)
            x = _blur_down(x) if i < self.layers else x
        return at_least_float32(self.conv(1, 4, padding=1, name="logits")(x))


def patch_discriminator(
    *,
    width: int = 64,
    layers: int = 3,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """PatchGAN: a logit, real or made, for each patch of images `[b h w c]`.

    Args:
      width: channels of the first layer, doubled up to 8 times.
      layers: halvings; with 3 a logit sees 70 x 70 pixels.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU); same parameters.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images with logits `[b h' w' 1]`: 30 x 30 for 256 x 256 pixels.

    Raises:
      ValueError: fewer than 1 layer, or an unknown dtype; when it is called, for images
        that are too small for a logit.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = patch_discriminator()
      >>> image = jnp.zeros((1, 256, 256, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> jax.eval_shape(net.apply, params, stats, image)[0].shape
      (1, 30, 30, 1)

    References:
      Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks",
      2017, arXiv:1611.07004, section 3.2.2. Park et al., "Contrastive Learning for
      Unpaired Image-to-Image Translation", 2020, arXiv:2007.15651.
    """
    if layers < 1:
        raise ValueError(f"layers is {layers}; expected at least 1")
    conv = _conv(conv_impl, dtype)
    return from_linen(Discriminator(width=width, layers=layers, conv=conv))


class PatchHeads(nn.Module):
    """For each map of features a head of two layers, and the unit sphere."""

    hidden: int
    dim: int
    dtype: Any

    @nn.compact
    def __call__(
        self, features: Sequence[Float[Array, "b _ _"]], *, train: bool = False
    ) -> tuple[Float[Array, "b _ d"], ...]:
        out = []
        dense = partial(Dense, kernel_init=_INIT, dtype=self.dtype)
        for i, x in enumerate(features, start=1):
            y = nn.relu(dense(self.hidden, name=f"head{i}_linear1")(x))
            y = at_least_float32(dense(self.dim, name=f"head{i}_linear2")(y))
            square = jnp.square(y).sum(axis=-1, keepdims=True)
            length = jnp.sqrt(jnp.where(square > 0, square, 1))
            out.append(y / (jnp.where(square > 0, length, 0) + 1e-7))
        return tuple(out)


def patch_heads(*, hidden: int = 256, dim: int = 256, dtype: str | None = None) -> Net:
    """The heads of CUT: one two-layer network for each layer whose patches compare.

    Args:
      hidden: width of the hidden layers.
      dim: dimension of the sphere.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of a sequence of features `[b n c_i]` with as many `[b n dim]` of unit
      length, at least float32: y / (|y| + 1e-7), which in narrow nets at their start is
      well below 1, as in the official code.

    Raises:
      ValueError: an unknown dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = patch_heads(hidden=8, dim=4)
      >>> features = (jnp.ones((1, 5, 3)), jnp.ones((1, 5, 6)))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), features)
      >>> [x.shape for x in jax.eval_shape(net.apply, params, stats, features)[0]]
      [(1, 5, 4), (1, 5, 4)]

    References:
      Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", 2020,
      arXiv:2007.15651, section 3.
    """
    module = PatchHeads(hidden=hidden, dim=dim, dtype=compute_dtype(dtype))
    return from_linen(module)
