"""What losses share: products, reductions, blocks of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax.arrays import SMALLEST_NORM
from sslax.checks import check_choice

__all__: list[str] = []


def dot(a: Array, b: Array) -> Array:
    """`a @ b.T` in full float32 on every backend (TPUs default to bfloat16 passes)."""
    return jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST)


def inner(a: Array, b: Array) -> Array:
    """Inner products over the last axis."""
    return jnp.sum(a * b, axis=-1)


def reduced(terms: Array, reduction: str) -> Array:
    """The mean, the sum, or the terms themselves.

    Raises:
      ValueError: if the reduction has another name.
    """
    reductions = {"mean": jnp.mean, "sum": jnp.sum, "none": lambda x: x}
    check_choice(reductions, reduction=reduction)
    return reductions[reduction](terms)


def similarity(a: Array, b: Array) -> Array:
    """Inner products within each example: `[b n d] [b m d] -> [b n m]`."""
    return jnp.einsum("bnd,bmd->bnm", a, b, precision=jax.lax.Precision.HIGHEST)


def logsumexp_but(logits: Array, without: Array) -> Array:
    """The log-sum-exp over the last axis of the entries that are not `without`."""
    return jax.nn.logsumexp(jnp.where(without, -jnp.inf, logits), axis=-1)


def length(x: Array) -> Array:
    """The Euclidean length over the last axis, with gradient 0 at the zero vector."""
    square = jnp.sum(x * x, axis=-1)
    zero = square <= SMALLEST_NORM**2
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, square)))


def weighted_mean(values: Array, weights: Array) -> Array:
    """Sum of weights times values over the sum of the weights; 0 without weight."""
    total = jnp.sum(weights)
    return jnp.sum(weights * values) / jnp.where(total == 0, 1, total)


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
