"""What every loss shares: precision, checks of arguments, blocks of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

__all__: list[str] = []

# Below this norm a vector has no direction. The square of it, to the power -3/2, is
# still a float32 number, so that the gradient of the norm cannot overflow.
SMALLEST_NORM = 1e-12


def raised(*arrays: ArrayLike) -> tuple[Array, ...]:
    """The arrays in at least float32: half precisions are raised, float64 stays."""
    return tuple(
        jnp.asarray(x, jnp.promote_types(jnp.result_type(x), jnp.float32))
        for x in arrays
    )


def dot(a: Array, b: Array) -> Array:
    """`a @ b.T` in full float32 on every backend (TPUs default to bfloat16 passes)."""
    return jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST)


def inner(a: Array, b: Array) -> Array:
    """Inner products over the last axis."""
    return jnp.sum(a * b, axis=-1)


def norm(x: Array) -> Array:
    """The Euclidean norm over the last axis, with gradient 0 at the zero vector."""
    square = jnp.sum(x * x, axis=-1)
    zero = square <= SMALLEST_NORM**2
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, square)))


def log_mean(log_terms: Array, axis: int = -1) -> Array:
    """The logarithm of the mean of `exp(log_terms)`."""
    return jax.nn.logsumexp(log_terms, axis=axis) - np.log(log_terms.shape[axis])


def reduced(per_example: Array, reduction: str) -> Array:
    """The mean, or the terms themselves.

    Raises:
      ValueError: if the reduction has another name.
    """
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction must be 'mean' or 'none', got {reduction!r}")
    return jnp.mean(per_example) if reduction == "mean" else per_example


def check_same_shape(**arrays: Array) -> None:
    """Raises ValueError, with names and shapes, unless all shapes are equal."""
    shapes = {name: jnp.shape(x) for name, x in arrays.items()}
    if len(set(shapes.values())) > 1:
        seen = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"arrays must have one shape, got {seen}")


def check_rank(rank: int, **arrays: Array) -> None:
    """Raises ValueError, with name and shape, unless every array has this rank."""
    for name, x in arrays.items():
        if jnp.ndim(x) != rank:
            shape = jnp.shape(x)
            raise ValueError(f"{name} must have {rank} axes, got shape {shape}")


def check_same_features(**arrays: Array) -> None:
    """Raises ValueError, with names and shapes, unless all last axes are equal."""
    shapes = {name: jnp.shape(x) for name, x in arrays.items()}
    if len({shape[-1:] for shape in shapes.values()}) > 1:
        seen = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"arrays must have one number of features, got {seen}")


def check_count(least: int, **arrays: Array) -> None:
    """Raises ValueError unless every array has at least so many rows."""
    for name, x in arrays.items():
        if jnp.shape(x)[0] < least:
            raise ValueError(f"{name} needs {least} or more rows, got {jnp.shape(x)}")


def check_positive(**values: ArrayLike) -> None:
    """Raises ValueError unless the values that are known now are above 0."""
    for name, value in values.items():
        if _known(value) and not np.all(np.asarray(value) > 0):
            raise ValueError(f"{name} must be positive, got {value}")


def check_range(low: float, high: float, **values: ArrayLike) -> None:
    """Raises ValueError unless the values that are known now lie in [low, high]."""
    for name, value in values.items():
        if _known(value) and not np.all(
            (np.asarray(value) >= low) & (np.asarray(value) <= high)
        ):
            raise ValueError(f"{name} must lie in [{low}, {high}], got {value}")


def _known(value: ArrayLike) -> bool:
    return not isinstance(value, jax.core.Tracer)


def over_rows(
    function: Callable[..., Any], rows: Any, *, block_size: int | None
) -> Any:
    """`function(rows, index)` on all rows at once, or block by block.

    In blocks, intermediate results of one block at a time are kept, in the forward and
    in the backward pass (they are computed again), so that a row of a big matrix never
    outlives its block.

    Args:
      function: `(rows, index [m]) -> tree of arrays [m ...]`, row by row independent.
      rows: a tree of arrays `[m ...]`.
      block_size: rows in a block; None is all of them.

    Returns:
      The tree of arrays `[m ...]`.
    """
    count = jax.tree.leaves(rows)[0].shape[0]
    if block_size is None:
        return function(rows, jnp.arange(count))
    if block_size < 1:
        raise ValueError(f"block_size must be 1 or more, got {block_size}")
    block_size = min(block_size, count)
    blocks = -(-count // block_size)

    def split(x):
        padding = [(0, blocks * block_size - count)] + [(0, 0)] * (x.ndim - 1)
        return jnp.pad(x, padding).reshape((blocks, block_size, *x.shape[1:]))

    index = jnp.arange(blocks * block_size).reshape((blocks, block_size))
    block = jax.checkpoint(lambda pair: function(*pair), prevent_cse=False)
    out = jax.lax.map(block, (jax.tree.map(split, rows), index))
    return jax.tree.map(lambda x: x.reshape((-1, *x.shape[2:]))[:count], out)
