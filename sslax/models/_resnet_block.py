"""Residual blocks: basic, bottleneck, with ResNet-D's shortcut, with two streams."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.models._batch_norm import Order

__all__ = ["Block"]


class SelectiveKernels(nn.Module):
    """Two streams of 3x3 convolutions; a softmax over them weighs each channel."""

    width: int
    stride: int
    ratio: float | int
    conv: Any
    norm: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False, order: Order = None
    ) -> Float[Array, "b i j d"]:
        x = self.conv(2 * self.width, 3, self.stride, name="conv")(x)
        x = nn.relu(self.norm(name="bn")(x, train=train, order=order))
        streams = x.reshape(*x.shape[:-1], 2, self.width)
        pooled = at_least_float32(streams.sum(axis=-2)).mean(axis=(1, 2), keepdims=True)
        narrow = max(int(self.width * self.ratio), 32)
        y = self.conv(narrow, 1, 1, name="squeeze")(pooled.astype(x.dtype))
        y = nn.relu(self.norm(name="squeeze_bn")(y, train=train, order=order))
        y = self.conv(2 * self.width, 1, 1, name="mix")(y)
        y = at_least_float32(y).reshape(*y.shape[:-1], 2, self.width)
        weights = jax.nn.softmax(y, axis=-2).astype(x.dtype)
        return (streams * weights).sum(axis=-2)


class Block(nn.Module):
    """Two 3x3 convolutions, or a bottleneck of 1x1, 3x3, 1x1."""

    width: int
    stride: int
    bottleneck: bool
    zero_init: bool
    conv: Any
    norm: Any
    expansion: int = 4
    stride_on: str = "3x3"
    shortcut: str = "conv"
    selective: float | int | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False, order: Order = None
    ) -> Float[Array, "b i j d"]:
        shapes = self._shapes()
        y = x
        for i, (width, size, stride) in enumerate(shapes, start=1):
            if self.selective is not None and size == 3:
                kernels = SelectiveKernels(
                    width,
                    stride,
                    self.selective,
                    self.conv,
                    self.norm,
                    name="selective",
                )
                y = kernels(y, train=train, order=order)
                continue
            zero = self.zero_init and i == len(shapes)
            scale = nn.initializers.zeros if zero else nn.initializers.ones
            y = self.conv(width, size, stride, name=f"conv{i}")(y)
            y = self.norm(scale_init=scale, name=f"bn{i}")(y, train=train, order=order)
            y = nn.relu(y) if i < len(shapes) else y
            if size == 3 and self.stride_on == "pool" and self.stride > 1:
                y = _average(y, self.stride)
        return nn.relu(self._shortcut(x, y.shape[-1], train, order) + y)

    def _shapes(self):
        """Width, size and stride of each convolution."""
        if not self.bottleneck:
            return [(self.width, 3, self.stride), (self.width, 3, 1)]
        first = self.stride if self.stride_on == "1x1" else 1
        second = self.stride if self.stride_on == "3x3" else 1
        last = self.width * self.expansion
        return [(self.width, 1, first), (self.width, 3, second), (last, 1, 1)]

    def _shortcut(self, x, width, train, order):
        if self.stride == 1 and x.shape[-1] == width:
            return x
        stride = self.stride
        if self.shortcut == "pool_always" or (self.shortcut == "pool" and stride > 1):
            x, stride = _average(x, stride), 1
        x = self.conv(width, 1, stride, name="shortcut_conv")(x)
        return self.norm(name="shortcut_bn")(x, train=train, order=order)


def _average(x, stride):
    """Means of 2x2 places; at an odd border of those that are there."""
    return nn.avg_pool(x, (2, 2), (stride,) * 2, "SAME", count_include_pad=False)
