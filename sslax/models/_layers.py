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


@partial(jax.jit, static_argnums=(2, 3), inline=True)
def _matmul_conv(x, kernel, stride, padding):
    """A convolution as one matrix product over shifted copies of the input."""
    patches = _patches(x, kernel.shape, stride, padding)
    # Two axes on both sides: with four, XLA's gradient on CPU takes twice the time.
    rows = patches.reshape(-1, patches.shape[-1])
    out = rows @ kernel.reshape(-1, kernel.shape[-1])
    return out.reshape(*patches.shape[:-1], kernel.shape[-1])


def _patches(x, shape, stride, padding):
    """What the kernel meets at each place, its rows and columns before channels."""
    edges = (padding, padding)
    x = jnp.pad(x, ((0, 0), edges, edges, (0, 0))) if padding else x
    kh, kw = shape[:2]
    h = (x.shape[1] - kh) // stride + 1
    w = (x.shape[2] - kw) // stride + 1
    rows, columns = (h - 1) * stride + 1, (w - 1) * stride + 1
    shifted = [
        x[:, i : i + rows : stride, j : j + columns : stride]
        for i in range(kh)
        for j in range(kw)
    ]
    return shifted[0] if len(shifted) == 1 else jnp.concatenate(shifted, axis=-1)


def _is_small(x, size, stride, padding):
    """Whether a map, before or after, is smaller than the kernel.

    XLA has plain loops for a convolution or its gradient on CPU then: 3x3 on 2x2 maps
    of 512 channels takes a hundred times as long as the product of patches.
    """
    sides = x.shape[1:3]
    after = [(side + 2 * padding - size) // stride + 1 for side in sides]
    return min(*sides, *after) < size


# XLA's convolution on CPU is fast but for the gradient of the kernel, which takes as
# long as all the rest as one product of patches, and longer as a convolution.
@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _cpu_conv(x, kernel, stride, padding):
    return _lax_conv(x, kernel, stride, padding)


def _cpu_conv_forward(x, kernel, stride, padding):
    return _lax_conv(x, kernel, stride, padding), (x, kernel)


def _cpu_conv_backward(stride, padding, known, slope):
    x, kernel = known
    back = jax.linear_transpose(lambda x: _lax_conv(x, kernel, stride, padding), x)
    patches = _patches(x, kernel.shape, stride, padding)
    patches = patches.reshape(-1, patches.shape[-1])
    rows = slope.reshape(-1, slope.shape[-1])
    if rows.shape[-1] < patches.shape[-1]:
        # The narrow side first is twice as fast; XLA would turn the product around.
        found = lax.optimization_barrier(rows.T @ patches).T
    else:
        found = patches.T @ rows
    return *back(slope), found.reshape(kernel.shape)


_cpu_conv.defvjp(_cpu_conv_forward, _cpu_conv_backward)


@partial(jax.jit, inline=True)
def _patch_conv(x, kernel):
    """A convolution whose stride is its kernel: one product over whole patches."""
    kh, kw, channels, features = kernel.shape
    b, h, w, _ = x.shape
    x = x[:, : h // kh * kh, : w // kw * kw]
    x = x.reshape(b, h // kh, kh, w // kw, kw, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, h // kh, w // kw, -1) @ kernel.reshape(-1, features)


def _lax_conv(x, kernel, stride, padding):
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        ((padding, padding), (padding, padding)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


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
        if self.size == self.stride and self.size > 1 and padding == 0:
            return _patch_conv(x, kernel)
        on_cpu = platforms.target() == "cpu"
        if self.impl == "auto" and on_cpu and self.size > 1:
            small = _is_small(x, self.size, self.stride, padding)
            conv = _matmul_conv if small else _cpu_conv
            return conv(x, kernel, self.stride, padding)
        if self.impl == "lax" or (self.impl == "auto" and not on_cpu):
            return _lax_conv(x, kernel, self.stride, padding)
        return _matmul_conv(x, kernel, self.stride, padding)


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
