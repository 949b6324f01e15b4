"""Lengths of vectors, with a gradient everywhere."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array

from sslax.losses._numerics import SMALLEST_NORM

__all__: list[str] = []


def length(x: Array) -> Array:
    """The Euclidean length over the last axis, with gradient 0 at the zero vector."""
    square = jnp.sum(x * x, axis=-1)
    zero = square <= SMALLEST_NORM**2
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, square)))
