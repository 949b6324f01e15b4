"""One pass of a resize: dense weights, or on CPU only those that are not zero.

An output pixel depends on a handful of input pixels. A matrix unit multiplies by the
zeros for nothing; a CPU does not. There, a block of output pixels is made from the
window of input pixels that it can depend on, which starts elsewhere in each image.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax.augment._kernels import SUPPORT, multiply, resample_weights, weights_at
from sslax.augment._normalize import to_float

BLOCK = 28  # output pixels of a block, about


@functools.partial(
    jax.jit, static_argnames=("size_out", "method", "antialias"), inline=True
)
def resample(
    lines: Array,
    start: Array,
    length: Array,
    *,
    size_out: int,
    method: str,
    antialias: bool = True,
    flip: Array | None = None,
) -> Array:
    """Resizes the interval `[start, start + length)` of the first axis of lines.

    Args:
      lines: float or uint8 `[b n k]`; bytes are divided by 255.
      start: first pixel of the interval `[b]`.
      length: its length in pixels `[b]`, at most n.
      size_out: pixels of the result.
      method: one of `METHODS`.
      antialias: widen the kernel when the interval is longer than the result.
      flip: turn the result round where true `[b]`.

    Returns:
      Float lines `[b size_out k]`, in the dtype of `start`.
    """
    if flip is None:
        flip = jnp.zeros(start.shape, bool)
    options = {"size_out": size_out, "method": method, "antialias": antialias}
    dense = functools.partial(resample_dense, **options)
    size_in = lines.shape[1]
    if method not in SUPPORT or 2 * window(size_in, size_out, method) > size_in:
        return dense(lines, start, length, flip)
    banded = functools.partial(resample_banded, **options)
    return jax.lax.platform_dependent(
        lines, start, length, flip, cpu=banded, default=dense
    )


def resample_dense(lines, start, length, flip, *, size_out, method, antialias):
    """`resample` as one matrix product for each image."""
    weights = resample_weights(
        start,
        length,
        size_in=lines.shape[1],
        size_out=size_out,
        method=method,
        antialias=antialias,
        flip=flip,
    )
    return multiply("boh,bhk->bok", weights, to_float(lines).astype(start.dtype))


def blocks(size_out: int) -> tuple[int, int]:
    """How many blocks a result is made in, and pixels of a block."""
    count = -(-size_out // BLOCK)
    return count, -(-size_out // count)


def window(size_in: int, size_out: int, method: str) -> int:
    """Input pixels that one block can depend on, whatever the interval."""
    scale = size_in / size_out
    reach = (blocks(size_out)[1] - 1) * scale + 2 * SUPPORT[method] * max(scale, 1.0)
    return min(size_in, math.ceil(reach) + 2)


def resample_banded(lines, start, length, flip, *, size_out, method, antialias):
    """`resample` as one small matrix product for each block of each image."""
    batch, size_in, depth = lines.shape
    count, block = blocks(size_out)
    extent = window(size_in, size_out, method)
    target = jnp.arange(count * block).reshape(1, count, block)
    target = jnp.where(flip[:, None, None], size_out - 1 - target, target)
    # The first input pixel of each block, from its least output pixel.
    scale = (length / size_out)[:, None]
    least = jnp.min(target, axis=2).astype(start.dtype)
    centre = start[:, None] + (least + 0.5) * scale - 0.5
    width = jnp.maximum(scale, 1.0) if antialias else 1.0
    first = jnp.floor(centre - SUPPORT[method] * width)
    first = jnp.clip(first, 0, size_in - extent).astype(jnp.int32)
    source = first[:, :, None] + jnp.arange(extent)[None, None]

    def repeat(x):
        return jnp.repeat(x, count)

    weights = weights_at(
        source.reshape(-1, extent),
        target.reshape(-1, block),
        repeat(start),
        repeat(length),
        size_out=size_out,
        method=method,
        antialias=antialias,
    ).reshape(batch, count, block, extent)
    cut = functools.partial(jax.lax.dynamic_slice_in_dim, slice_size=extent)
    pieces = jax.vmap(jax.vmap(cut, in_axes=(None, 0)))(lines, first)
    pieces = to_float(pieces).astype(start.dtype)
    made = multiply("bnth,bnhk->bntk", weights, pieces)
    return made.reshape(batch, count * block, depth)[:, :size_out]
