"""The discrete variational autoencoder whose tokens BEiT predicts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.core import Net
from sslax.models._layers import Conv
from sslax.models._nets import compute_dtype, from_linen

__all__ = ["dalle_decoder", "dalle_encoder"]

_GROUPS = 4
_by_fan_in = nn.initializers.variance_scaling(1.0, "fan_in", "normal")


class DvaeBlock(nn.Module):
    """The identity plus a small multiple of four times ReLU and convolution."""

    width: int
    sizes: Sequence[int]
    gain: float
    conv: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b i j d"]:
        y = x
        for i, size in enumerate(self.sizes, start=1):
            features = self.width if i == len(self.sizes) else self.width // 4
            y = self.conv(features, size, name=f"conv{i}")(nn.relu(y))
        if x.shape[-1] != self.width:
            x = self.conv(self.width, 1, name="identity")(x)
        return x + self.gain * y


class Groups(nn.Module):
    """Four groups of blocks between an input and an output convolution."""

    first: int
    first_size: int
    widths: Sequence[int]
    sizes: Sequence[int]
    blocks: int
    dim: int
    resize: Any
    divisor: int
    conv: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b i j d"]:
        del train
        if x.shape[1] % self.divisor or x.shape[2] % self.divisor:
            raise ValueError(
                f"the encoder needs sides that {self.divisor} divides; the image has "
                f"{x.shape[1]} x {x.shape[2]} pixels"
            )
        x = self.conv(self.first, self.first_size, name="input")(x)
        gain = 1.0 / (_GROUPS * self.blocks) ** 2
        for i, width in enumerate(self.widths, start=1):
            for j in range(1, self.blocks + 1):
                name = f"group{i}_{j}"
                x = DvaeBlock(width, self.sizes, gain, self.conv, name=name)(x)
            x = self.resize(x) if i < _GROUPS else x
        x = self.conv(self.dim, 1, name="output")(nn.relu(x))
        return at_least_float32(x)


def _halved(x):
    return nn.max_pool(x, (2, 2), (2, 2))


def _doubled(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)


def _conv(conv_impl, dtype):
    return partial(
        Conv,
        use_bias=True,
        kernel_init=_by_fan_in,
        impl=conv_impl,
        dtype=compute_dtype(dtype),
    )


def dalle_encoder(
    *,
    width: int = 256,
    blocks: int = 2,
    words: int = 8192,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """The encoder of DALL-E's dVAE: from images to scores of visual words.

    A 7x7 convolution, four groups of blocks of four convolutions (3, 3, 3, 1) with 2x2
    max pooling after the first three, a 1x1 convolution. It reads
    `sslax.losses.map_pixels` of an image; the token of a place is the argmax.

    Args:
      width: channels of the first group; the next have 2, 4 and 8 times as many.
      blocks: blocks of each group.
      words: size of the vocabulary.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU).
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images `[b h w c]` with logits `[b h/8 w/8 words]`, at least float32.

    Raises:
      ValueError: a width that 4 does not divide; and, when it is called, sides that 8
        does not divide.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = dalle_encoder(width=8, blocks=1, words=16)
      >>> image = jnp.zeros((1, 16, 24, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> jax.eval_shape(net.apply, params, stats, image)[0].shape
      (1, 2, 3, 16)

    References:
      Ramesh et al., "Zero-Shot Text-to-Image Generation", 2021, arXiv:2102.12092,
      appendix A.1. Bao et al., "BEiT: BERT Pre-Training of Image Transformers", 2022,
      arXiv:2106.08254.
    """
    _check_width(width)
    module = Groups(
        first=width,
        first_size=7,
        widths=tuple(width * 2**i for i in range(_GROUPS)),
        sizes=(3, 3, 3, 1),
        blocks=blocks,
        dim=words,
        resize=_halved,
        divisor=2 ** (_GROUPS - 1),
        conv=_conv(conv_impl, dtype),
    )
    return from_linen(module)


def dalle_decoder(
    *,
    width: int = 256,
    first: int = 128,
    blocks: int = 2,
    dim: int = 6,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """The decoder of DALL-E's dVAE: from visual words to a distribution of pixels.

    The encoder's mirror: a 1x1 convolution, four groups of blocks of four convolutions
    (1, 3, 3, 3), each place repeated 2 x 2 after the first three, a 1x1 convolution.

    Args:
      width: channels of the last group; those before have 2, 4 and 8 times as many.
      first: channels after the first convolution.
      blocks: blocks of each group.
      dim: channels of the output: for `sslax.losses.logit_laplace` the means of three
        colours, then their log scales.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU).
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of weights of words `[b h w words]` (one-hot for tokens, or
      `gumbel_softmax` in training) with statistics `[b 8h 8w dim]`, at least float32;
      the picture is `unmap_pixels(sigmoid(statistics[..., :3]))`.

    Raises:
      ValueError: a width that 4 does not divide.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = dalle_decoder(width=8, first=4, blocks=1)
      >>> words = jnp.zeros((1, 2, 3, 16))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), words)
      >>> jax.eval_shape(net.apply, params, stats, words)[0].shape
      (1, 16, 24, 6)

    References:
      Ramesh et al., "Zero-Shot Text-to-Image Generation", 2021, arXiv:2102.12092,
      appendix A.1.
    """
    _check_width(width)
    module = Groups(
        first=first,
        first_size=1,
        widths=tuple(width * 2**i for i in reversed(range(_GROUPS))),
        sizes=(1, 3, 3, 3),
        blocks=blocks,
        dim=dim,
        resize=_doubled,
        divisor=1,
        conv=_conv(conv_impl, dtype),
    )
    return from_linen(module)


def _check_width(width):
    if width % 4:
        raise ValueError(
            f"width is {width}; hidden layers have a quarter of it, so the nearest are "
            f"{width // 4 * 4} and {-(-width // 4) * 4}"
        )
