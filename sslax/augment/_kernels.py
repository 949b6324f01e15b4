"""Weights of separable resampling: kernels, and where they reach."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array

METHODS = ("bicubic", "bilinear", "lanczos", "box", "bicubic_torch", "bicubic_tf1")


def _triangle(x: Array) -> Array:
    return jnp.maximum(0.0, 1.0 - x)


def _cubic(x: Array) -> Array:
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return jnp.where(x < 1.0, near, jnp.where(x < 2.0, far, 0.0))


def _lanczos(x: Array) -> Array:
    return jnp.where(x < 3.0, jnp.sinc(x) * jnp.sinc(x / 3.0), 0.0)


def _box(x: Array) -> Array:
    return (x <= 0.5).astype(x.dtype)


_KERNELS = {
    "bicubic": _cubic,
    "bilinear": _triangle,
    "lanczos": _lanczos,
    "box": _box,
}
# Pixels on each side of its centre that a kernel of width 1 reaches.
SUPPORT = {"bicubic": 2.0, "bilinear": 1.0, "lanczos": 3.0, "box": 0.5}


def resample_weights(
    start: Array,
    length: Array,
    *,
    size_in: int,
    size_out: int,
    method: str,
    antialias: bool = True,
    flip: Array | None = None,
    inside: tuple[Array, Array] | None = None,
) -> Array:
    """Weights `[b out in]` that resize the interval `[start, start + length)`.

    Only pixels inside the interval have weight, and weights sum to 1: the result is
    that of cutting the interval out first. With wider bounds `inside`, it is that of
    resizing those and cutting the interval out of the result.

    Args:
      start: first pixel of the interval `[b]`.
      length: its length in pixels `[b]`.
      size_in: pixels of the source.
      size_out: pixels of the result.
      method: one of `METHODS`.
      antialias: widen the kernel when the interval is longer than the result.
      flip: turn the result round where true `[b]`.
      inside: first pixel and length `[b]` of what may have weight.

    Returns:
      Weights in the dtype of `start`.
    """
    if method in ("bicubic_torch", "bicubic_tf1"):
        return _repeated_edge(start, length, size_in, size_out, method, flip)
    target = jnp.broadcast_to(jnp.arange(size_out), (start.shape[0], size_out))
    if flip is not None:
        target = jnp.where(flip[:, None], size_out - 1 - target, target)
    source = jnp.broadcast_to(jnp.arange(size_in), (start.shape[0], size_in))
    return weights_at(
        source,
        target,
        start,
        length,
        size_out=size_out,
        method=method,
        antialias=antialias,
        inside=inside,
    )


def weights_at(
    source: Array,
    target: Array,
    start: Array,
    length: Array,
    *,
    size_out: int,
    method: str,
    antialias: bool = True,
    inside: tuple[Array, Array] | None = None,
) -> Array:
    """Weights `[b t s]` of source pixels `[b s]` in pixels `[b t]` of the result."""
    dtype = start.dtype
    first, extent = (start, length) if inside is None else inside
    source, target = source.astype(dtype), target.astype(dtype)
    scale = (length / size_out)[:, None]
    centre = start[:, None] + (target + 0.5) * scale - 0.5
    width = jnp.maximum(scale, 1.0) if antialias else jnp.ones_like(scale)
    distance = jnp.abs(source[:, None, :] - centre[:, :, None]) / width[:, :, None]
    first, end = first[:, None] - 0.5, (first + extent)[:, None] - 0.5
    valid = (source > first) & (source < end)
    weights = jnp.where(valid[:, None, :], _KERNELS[method](distance), 0.0)
    total = jnp.sum(weights, axis=2, keepdims=True)
    return weights / jnp.where(jnp.abs(total) > 1e-6, total, 1.0)


def _repeated_edge(start, length, size_in, size_out, method, flip) -> Array:
    """Four taps of the cubic with a = -0.75, the edge repeated, not antialiased."""
    scale = (length / size_out)[:, None]
    target = jnp.arange(size_out, dtype=start.dtype)[None, :]
    if flip is not None:
        target = jnp.where(flip[:, None], size_out - 1.0 - target, target)
    half = 0.5 if method == "bicubic_torch" else 0.0
    centre = (target + half) * scale - half
    below = jnp.floor(centre)
    source = jnp.arange(size_in, dtype=start.dtype)[None, None, :]
    weights = jnp.zeros((*centre.shape, size_in), start.dtype)
    for tap in (-1.0, 0.0, 1.0, 2.0):
        x = jnp.abs(below + tap - centre)
        near = (1.25 * x - 2.25) * x * x + 1.0
        far = ((-0.75 * x + 3.75) * x - 6.0) * x + 3.0
        value = jnp.where(x <= 1.0, near, far)
        place = jnp.clip(below + tap, 0.0, length[:, None] - 1.0) + start[:, None]
        weights += jnp.where(place[..., None] == source, value[..., None], 0.0)
    return weights


def multiply(equation: str, *arrays: Array) -> Array:
    """A matrix product in full float precision, also where bfloat16 is the default."""
    return jnp.einsum(equation, *arrays, precision=jax.lax.Precision.HIGHEST)
