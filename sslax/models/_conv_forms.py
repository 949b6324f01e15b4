"""Forms of one convolution: as XLA has it, and as products of matrices."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sslax import platforms

__all__ = ["convolved"]


def convolved(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k k c d"],
    stride: int,
    padding: int,
    *,
    impl: str,
) -> Float[Array, "b i j d"]:
    """A convolution in the form that is asked for, or in the fastest one.

    Args:
      x: images.
      kernel: square.
      stride: of rows and columns.
      padding: zeros on every side.
      impl: "lax", "matmul" (shifted slices and one product) or "auto": on CPU "lax"
        with the kernel's gradient as "matmul" has it, and "matmul" where maps are
        smaller than the kernel; elsewhere "lax".
    """
    size = kernel.shape[0]
    if size == stride and size > 1 and padding == 0:
        return _patch_conv(x, kernel)
    on_cpu = platforms.target() == "cpu"
    if impl == "auto" and on_cpu and size > 1:
        small = _is_small(x, size, stride, padding)
        conv = _matmul_conv if small else _cpu_conv
        return conv(x, kernel, stride, padding)
    if impl == "lax" or (impl == "auto" and not on_cpu):
        return _lax_conv(x, kernel, stride, padding)
    return _matmul_conv(x, kernel, stride, padding)


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

    XLA has plain loops for a convolution or its gradient on CPU then: ResNet-18 on
    images of 16 pixels, which ends in 2x2 maps, takes ten times as long as by products
    of patches (`experiments/benchmarks/convolutions.py --side 16`).
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
