"""Convolutions by channel, and transposed ones."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import promote_dtype
from jax import lax
from jaxtyping import Array, Float

from sslax import platforms
from sslax.checks import check_choice
from sslax.models._parameter import parameter

__all__ = ["ConvTranspose", "DepthwiseConv"]


def _uniform(bound):
    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class DepthwiseConv(nn.Module):
    """A convolution of odd size of each channel by itself; the map keeps its size.

    On CPU it is a sum of shifted copies, which XLA fuses into one pass.
    """

    size: int
    impl: str = "auto"
    dtype: Any = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        check_choice(("auto", "lax", "matmul"), conv_impl=self.impl)
        channels = x.shape[-1]
        init = _uniform(1.0 / self.size)
        shape = (self.size, self.size, 1, channels)
        kernel = parameter(self, "kernel", init, shape)
        bias = parameter(self, "bias", init, (channels,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        on_cpu = platforms.target() == "cpu"
        if self.impl == "lax" or (self.impl == "auto" and not on_cpu):
            y = lax.conv_general_dilated(
                x,
                kernel,
                (1, 1),
                "SAME",
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                feature_group_count=channels,
            )
        else:
            y = self._shifted(x, kernel)
        return y + bias.reshape(1, 1, 1, -1)

    def _shifted(self, x, kernel):
        _, h, w, _ = x.shape
        edges = (self.size // 2, self.size // 2)
        x = jnp.pad(x, ((0, 0), edges, edges, (0, 0)))
        return sum(
            x[:, i : i + h, j : j + w] * kernel[i, j].reshape(1, 1, 1, -1)
            for i in range(self.size)
            for j in range(self.size)
        )


class ConvTranspose(nn.Module):
    """A transposed convolution whose stride divides its size, as one product.

    Place i adds x_i times the kernel's row k to place stride*i + k - padding. The
    kernel `[k k in out]` is torch's `[in out k k]`, transposed and not flipped.
    """

    features: int
    size: int
    stride: int
    padding: int = 0
    dtype: Any = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b i j d"]:
        shape = (self.size, self.size, x.shape[-1], self.features)
        init = _uniform(1.0 / np.sqrt(self.size**2 * self.features))
        kernel = parameter(self, "kernel", init, shape)
        bias = parameter(self, "bias", init, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        return self._spread(x, kernel) + bias.reshape(1, 1, 1, -1)

    def _spread(self, x, kernel):
        b, h, w, _ = x.shape
        stride, overlap = self.stride, self.size // self.stride
        y = x @ kernel.transpose(2, 0, 1, 3).reshape(x.shape[-1], -1)
        y = y.reshape(b, h, w, overlap, stride, overlap, stride, self.features)
        more = overlap - 1
        total = 0.0
        for i in range(overlap):
            for j in range(overlap):
                edges = ((0, 0), (i, more - i), (j, more - j), *((0, 0),) * 3)
                total = total + jnp.pad(y[:, :, :, i, :, j], edges)
        total = total.transpose(0, 1, 3, 2, 4, 5)
        total = total.reshape(b, (h + more) * stride, (w + more) * stride, -1)
        height, width = (n - 2 * self.padding for n in total.shape[1:3])
        begin = self.padding
        return total[:, begin : begin + height, begin : begin + width]
