"""Layers that differ from Flax's own: convolution, layer norm, drop path."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
from sslax.models._conv_forms import convolved
from sslax.models._parameter import parameter

__all__ = [
    "Conv",
    "Dense",
    "DropPath",
    "Dropout",
    "LayerNorm",
    "dense_init",
    "he_fan_out",
    "max_pool",
]

he_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


def _uniform_fan_in(key, shape, dtype=jnp.float32):
    bound = 1.0 / np.sqrt(np.prod(shape[:-1]))
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def _xavier(key, shape, dtype=jnp.float32):
    # A kernel of patches counts as the matrix that it is, not as a convolution.
    bound = np.sqrt(6.0 / (np.prod(shape[:-1]) + shape[-1]))
    return jax.random.uniform(key, shape, dtype, -bound, bound)


def _xavier_qkv(key, shape, dtype=jnp.float32):
    bound = np.sqrt(6.0 / (shape[0] + shape[-1] // 3))
    return jax.random.uniform(key, shape, dtype, -bound, bound)


_INITS = {
    "uniform": _uniform_fan_in,
    "lecun": nn.initializers.lecun_normal(),
    "xavier": _xavier,
    "xavier_qkv": _xavier_qkv,
    "normal": nn.initializers.normal(0.01),
    # The usual cut is at +-2, a hundred deviations away: a plain normal.
    "truncated": nn.initializers.normal(0.02),
    # BEiT cuts at one deviation.
    "narrow": nn.initializers.truncated_normal(0.02, lower=-1.0, upper=1.0),
    "he_fan_out": he_fan_out,
    "he_fan_in": nn.initializers.he_normal(),
    "orthogonal": nn.initializers.orthogonal(),
    "zeros": nn.initializers.zeros,
}


def dense_init(name: Any) -> Callable[..., Any]:
    """The initialiser of a kernel by its name, or a normal one by its deviation.

    A function is an initialiser itself.
    """
    if callable(name):
        return name
    if isinstance(name, float | int):
        return nn.initializers.normal(name)
    check_choice(_INITS, init=name)
    return _INITS[name]


class Dense(nn.Module):
    """A linear layer whose bias follows the kernel's initialiser as in torch."""

    features: int
    use_bias: bool = True
    kernel_init: Any = "lecun"
    dtype: Any = None

    @nn.compact
    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b d"]:
        bias_init = nn.initializers.zeros
        if self.kernel_init == "uniform":
            bound = 1.0 / np.sqrt(x.shape[-1])
            bias_init = _symmetric_uniform(bound)
        kernel = parameter(
            self,
            "kernel",
            dense_init(self.kernel_init),
            (x.shape[-1], self.features),
        )
        bias = None
        if self.use_bias:
            bias = parameter(self, "bias", bias_init, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = x @ kernel
        return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + (-1,))


def _symmetric_uniform(bound):
    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class LayerNorm(nn.Module):
    """Layer norm with the exact (two-pass) variance."""

    epsilon: float = 1e-6
    dtype: Any = None

    @nn.compact
    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
        channels = x.shape[-1:]
        scale = parameter(self, "scale", nn.initializers.ones, channels)
        bias = parameter(self, "bias", nn.initializers.zeros, channels)
        dtype = self.dtype or jnp.result_type(x, scale, bias)
        return _layer_norm(x, scale, bias, self.epsilon, dtype)


# Inline: traced once for each shape, and in the program as if written out.
@partial(jax.jit, static_argnums=(3, 4), inline=True)
def _layer_norm(x, scale, bias, epsilon, dtype):
    high = x.astype(jnp.promote_types(dtype, jnp.float32))
    mean = high.mean(axis=-1, keepdims=True)
    var = lax.square(high - mean).mean(axis=-1, keepdims=True)
    shape = (1,) * (x.ndim - 1) + (-1,)
    y = (x - mean) * (lax.rsqrt(var + epsilon) * scale.reshape(shape))
    return (y + bias.reshape(shape)).astype(dtype)


class Conv(nn.Module):
    """A square convolution with torch's explicit padding.

    `impl` is "lax", "matmul" (shifted slices and one product) or "auto" (on CPU "lax"
    with a kernel's gradient as "matmul" has it, and "matmul" where maps are smaller
    than the kernel); the parameters are the same.
    """

    features: int
    size: int
    stride: int = 1
    padding: int | None = None
    use_bias: bool = False
    kernel_init: Any = "he_fan_out"
    impl: str = "auto"
    dtype: Any = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b i j d"]:
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = parameter(self, "kernel", dense_init(self.kernel_init), shape)
        bias = None
        if self.use_bias:
            bound = 1.0 / np.sqrt(np.prod(shape[:-1]))
            uniform = self.kernel_init == "uniform"
            bias_init = _symmetric_uniform(bound) if uniform else nn.initializers.zeros
            bias = parameter(self, "bias", bias_init, (self.features,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = self._convolve(x, kernel)
        return y if bias is None else y + bias.reshape(1, 1, 1, -1)

    def _convolve(self, x, kernel):
        check_choice(("auto", "lax", "matmul"), conv_impl=self.impl)
        padding = self.size // 2 if self.padding is None else self.padding
        return convolved(x, kernel, self.stride, padding, impl=self.impl)


def max_pool(x, *, size: int, stride: int, padding: int):
    """Max pooling of `[b h w c]`, padded with minus infinity."""
    edges = (padding, padding)
    if platforms.target() == "onnx" and padding:  # jax2onnx would leave it out
        x = jnp.pad(x, ((0, 0), edges, edges, (0, 0)), constant_values=-np.inf)
        edges = (0, 0)
    return nn.max_pool(
        x, window_shape=(size, size), strides=(stride, stride), padding=(edges, edges)
    )


class DropPath(nn.Module):
    """Drops the whole branch of an example with probability `rate`; scales the rest.

    `rate` is an input, so that it can differ between scanned layers. Without a key
    nothing is dropped.
    """

    @nn.compact
    def __call__(self, x: Float[Array, "b ..."], rate: Any) -> Float[Array, "b ..."]:
        if not self.has_rng("dropout"):
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        keep = jax.random.bernoulli(self.make_rng("dropout"), 1.0 - rate, shape)
        return jnp.where(keep, x / jnp.asarray(1.0 - rate, x.dtype), jnp.zeros_like(x))


class Dropout(nn.Module):
    """Flax's dropout in training; without a key nothing is dropped."""

    rate: float | int

    @nn.compact
    def __call__(
        self, x: Float[Array, "b ..."], *, train: bool
    ) -> Float[Array, "b ..."]:
        drops = train and self.has_rng("dropout")
        return nn.Dropout(self.rate)(x, deterministic=not drops)
