"""Layers of the networks before residual ones: groups, dilation, constant biases."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
from flax.linen.dtypes import promote_dtype
from jax import lax
from jaxtyping import Array, Float

from sslax.models._layers import he_fan_out
from sslax.models._parameter import parameter

__all__ = ["PlainConv", "PlainDense", "ceil_pool"]


class PlainConv(nn.Module):
    """A convolution with a bias that starts at a constant."""

    features: int
    size: int
    stride: int = 1
    padding: int | None = None
    groups: int = 1
    dilation: int = 1
    kernel_init: Any = he_fan_out
    bias: float | int = 0.0
    dtype: Any = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b i j d"]:
        channels = x.shape[-1] // self.groups
        shape = (self.size, self.size, channels, self.features)
        kernel = parameter(self, "kernel", self.kernel_init, shape)
        start = nn.initializers.constant(self.bias)
        bias = parameter(self, "bias", start, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        margin = self.size // 2 * self.dilation
        margin = margin if self.padding is None else self.padding
        y = lax.conv_general_dilated(
            x,
            kernel,
            (self.stride, self.stride),
            ((margin, margin), (margin, margin)),
            rhs_dilation=(self.dilation, self.dilation),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=self.groups,
        )
        return y + bias.reshape(1, 1, 1, -1)


class PlainDense(nn.Module):
    """A linear layer with a bias that starts at a constant."""

    features: int
    kernel_init: Any
    bias: float | int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b d"]:
        shape = (x.shape[-1], self.features)
        kernel = parameter(self, "kernel", self.kernel_init, shape)
        start = nn.initializers.constant(self.bias)
        bias = parameter(self, "bias", start, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        return x @ kernel + bias.reshape(1, -1)


def ceil_pool(x):
    """The largest of 3x3, every second; a last window may hang over the edge."""
    sides = x.shape[1:3]
    over = [(-(-(n - 3) // 2)) * 2 + 3 - n for n in sides]
    return nn.max_pool(x, (3, 3), (2, 2), ((0, over[0]), (0, over[1])))
