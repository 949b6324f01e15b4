"""Residual networks that act before they convolve, without any norm."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.checks import check_choice, check_positive
from sslax.core import Net
from sslax.models._layers import Conv, max_pool
from sslax.models._nets import Selected, compute_dtype, from_linen, select

__all__ = ["preact_resnet"]


class PreActBlock(nn.Module):
    """ReLU before each convolution; a shortcut that convolves reads it too."""

    width: int
    stride: int
    bottleneck: bool
    conv: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b i j d"]:
        del train  # nothing is normalised
        if self.bottleneck:
            shapes = ((1, 1, 1), (1, 3, self.stride), (4, 1, 1))
        else:
            shapes = ((1, 3, self.stride), (1, 3, 1))
        channels = shapes[-1][0] * self.width
        y = nn.relu(x)
        if self.stride != 1 or x.shape[-1] != channels:
            x = self.conv(channels, 1, self.stride, name="shortcut")(y)
        for i, (factor, size, stride) in enumerate(shapes, start=1):
            y = nn.relu(y) if i > 1 else y
            y = self.conv(factor * self.width, size, stride, name=f"conv{i}")(y)
        return x + y


class PreActResNet(nn.Module):
    """A stem and stages; every stage but the first halves the map."""

    stages: Sequence[int]
    width: int
    bottleneck: bool
    stem: str
    output: Any
    conv: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool = False) -> Selected:
        if self.stem == "imagenet":
            x = self.conv(self.width, 7, 2, name="conv1")(x)
            x = max_pool(x, size=3, stride=2, padding=1)
        else:
            x = self.conv(self.width, 5, 1, name="conv1")(x)
        for i, depth in enumerate(self.stages):
            for j in range(depth):
                x = PreActBlock(
                    width=self.width * 2**i,
                    stride=2 if i > 0 and j == 0 else 1,
                    bottleneck=self.bottleneck,
                    conv=self.conv,
                    name=f"layer{i + 1}_{j}",
                )(x, train=train)
        pooled = at_least_float32(x).mean(axis=(1, 2))
        return select({"map": x, "pooled": pooled}, self.output)


def preact_resnet(
    *,
    stages: Sequence[int] = (3, 4, 23),
    width: int = 64,
    bottleneck: bool = True,
    stem: str = "imagenet",
    output: str | Sequence[str] = "pooled",
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """The encoder of patches of CPC: a ResNet-v2 up to its third stage, without norm.

    Norms of a batch would tell a patch of the others, which are to be predicted. All
    convolutions have biases and start as torch starts them, so that branches are small.

    Args:
      stages: blocks in each: (3, 4, 23) are those of ResNet-101, (3, 4, 6) of 50.
      width: channels of the first stage; they double with each.
      bottleneck: 1x1, 3x3, 1x1 with four times the channels, or two 3x3.
      stem: "imagenet", 7x7 of stride 2 and a pool, or "small", 5x5 of stride 1.
      output: "pooled" [b d], "map" [b h w d]; several names give a dict.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU); same parameters.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of patches `[b h w c]`, 64 pixels in the paper, with codes `[b 1024]`.

    Raises:
      ValueError: no stage, a width below 1, an unknown stem, output or dtype.

    Note:
      There is no released code; blocks are those of Greedy InfoMax, where no ReLU
      stands before the mean.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = preact_resnet(stages=(1, 1), width=4, stem="small")
      >>> patches = jnp.zeros((2, 8, 8, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), patches)
      >>> jax.eval_shape(net.apply, params, stats, patches)[0].shape
      (2, 32)

    References:
      van den Oord et al., "Representation Learning with Contrastive Predictive Coding",
      2018, arXiv:1807.03748, section 3.3. He et al., "Identity Mappings in Deep
      Residual Networks", 2016, arXiv:1603.05027.
    """
    check_positive(width=width)
    check_choice(("imagenet", "small"), stem=stem)
    if not stages:
        raise ValueError("stages must be blocks of one or more stages; got none")
    module = PreActResNet(
        stages=tuple(stages),
        width=width,
        bottleneck=bottleneck,
        stem=stem,
        output=output,
        conv=partial(
            Conv,
            use_bias=True,
            kernel_init="uniform",
            impl=conv_impl,
            dtype=compute_dtype(dtype),
        ),
    )
    return from_linen(module)
