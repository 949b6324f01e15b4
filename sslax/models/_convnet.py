"""Small convolutional networks for images of 28 to 64 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.checks import check_choice
from sslax.core import Net
from sslax.models._batch_norm import BatchNorm, Order
from sslax.models._layers import Conv, max_pool
from sslax.models._nets import Selected, compute_dtype, from_linen, select

__all__ = ["convnet", "nin"]


class ConvNet(nn.Module):
    """Strided convolution, batch norm or none, ReLU, for each width."""

    widths: Sequence[int]
    strides: Sequence[int]
    output: Any
    conv: Any
    norm: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False, order: Order = None
    ) -> Selected:
        outputs = {}
        for i, (width, stride) in enumerate(
            zip(self.widths, self.strides, strict=True), start=1
        ):
            x = self.conv(width, 3, stride, name=f"conv{i}")(x)
            if self.norm is not None:
                x = self.norm(name=f"bn{i}")(x, train=train, order=order)
            x = nn.relu(x)
            outputs[f"layer{i}"] = x
        outputs["map"] = x
        outputs["flat"] = at_least_float32(x).reshape(x.shape[0], -1)
        outputs["pooled"] = at_least_float32(x).mean(axis=(1, 2))
        return select(outputs, self.output)


def convnet(
    *,
    widths: Sequence[int] = (32, 64, 128, 256),
    strides: Sequence[int] | None = None,
    output: str | Sequence[str] = "pooled",
    norm: str = "batch",
    bn_groups: int = 1,
    bn_unbiased: bool = True,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """A plain net of 3x3 convolutions, for small images on small machines.

    Args:
      widths: channels of the layers.
      strides: strides of the layers; None is 1 for the first and 2 for the others.
      output: "pooled" [b d], "map" [b h w d], "flat" [b h*w*d] (keeps where things
        are, for images that are centred), "layer1", ...; several names give a dict.
      norm: "batch", or "none": biases, and nothing passes between images.
      bn_groups: batch norm over so many contiguous groups of the batch.
      bn_unbiased: which variance the running statistics keep, see `resnet`.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU).
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images `[b h w c]` with features `[b widths[-1]]`.

    Raises:
      ValueError: when there are no widths, widths and strides differ in length, or for
        an unknown norm.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = convnet(widths=(4, 8))
      >>> params, stats = net.init(jax.random.key(0), jnp.ones((2, 8, 8, 1)))
      >>> net.apply(params, stats, jnp.ones((2, 8, 8, 1)))[0].shape
      (2, 8)

    References:
      Springenberg et al., "Striving for Simplicity: The All Convolutional Net", 2015,
      arXiv:1412.6806.
    """
    if not widths:
        raise ValueError("widths is empty; give the channels of a layer or more")
    strides = (1, *(2,) * (len(widths) - 1)) if strides is None else tuple(strides)
    if len(strides) != len(widths):
        raise ValueError(
            f"{len(widths)} widths {tuple(widths)} and {len(strides)} strides {strides}"
        )
    check_choice(("batch", "none"), norm=norm)
    compute, plain = compute_dtype(dtype), norm == "none"
    batch_norm = partial(
        BatchNorm, groups=bn_groups, unbiased=bn_unbiased, dtype=compute
    )
    module = ConvNet(
        widths=tuple(widths),
        strides=strides,
        output=output,
        conv=partial(Conv, use_bias=plain, impl=conv_impl, dtype=compute),
        norm=None if plain else batch_norm,
    )
    return from_linen(module)


class NiN(nn.Module):
    """Network in Network as RotNet uses it: blocks of one k x k and two 1x1 layers."""

    blocks: int
    output: Any
    conv: Any
    norm: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool = False) -> Selected:
        outputs = {}
        for i in range(1, self.blocks + 1):
            widths = (192, 160, 96) if i == 1 else (192, 192, 192)
            for j, width in enumerate(widths, start=1):
                size = 1 if j > 1 else 5 if i <= 2 else 3
                x = self.conv(width, size, name=f"conv{i}_{j}")(x)
                x = nn.relu(self.norm(name=f"bn{i}_{j}")(x, train=train))
            if i == 1:
                x = max_pool(x, size=3, stride=2, padding=1)
            if i == 2:
                x = nn.avg_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
            outputs[f"conv{i}"] = x
        outputs["map"] = x
        outputs["pooled"] = at_least_float32(x).mean(axis=(1, 2))
        return select(outputs, self.output)


def nin(
    *,
    blocks: int = 4,
    output: str | Sequence[str] = "pooled",
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """Network in Network for CIFAR, with batch norm, as in RotNet.

    Args:
      blocks: 3, 4 or 5 blocks of three convolutions; the first two end in a pool.
      output: "pooled" [b 192], "map", or "conv1", "conv2", ... (after the pool of the
        block); several names give a dict. RotNet's probes read "conv2".
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU).
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images `[b h w c]` with features `[b 192]`.

    Raises:
      ValueError: fewer than 2 blocks.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = nin()
      >>> image = jnp.zeros((2, 32, 32, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> jax.eval_shape(net.apply, params, stats, image)[0].shape
      (2, 192)

    References:
      Lin et al., "Network In Network", 2014, arXiv:1312.4400. Gidaris et al.,
      "Unsupervised Representation Learning by Predicting Image Rotations", 2018,
      arXiv:1803.07728, section 3.1.
    """
    if blocks < 2:
        raise ValueError(f"blocks is {blocks}; expected at least 2")
    compute = compute_dtype(dtype)
    module = NiN(
        blocks=blocks,
        output=output,
        conv=partial(Conv, impl=conv_impl, dtype=compute),
        norm=partial(BatchNorm, dtype=compute),
    )
    return from_linen(module)
