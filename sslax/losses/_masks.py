"""Means over what a mask or a weight selects."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array

__all__: list[str] = []


def weighted_mean(values: Array, weights: Array) -> Array:
    """Sum of weights times values over the sum of the weights; 0 without weight."""
    total = jnp.sum(weights)
    return jnp.sum(weights * values) / jnp.where(total == 0, 1, total)
