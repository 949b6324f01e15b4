"""What every loss does first: raise precision, refuse shapes that do not fit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp


def at_least_float32(*arrays) -> list[jax.Array]:
    """The arrays in one common float type: float32, or float64 if one of them is."""
    dtype = jnp.result_type(jnp.float32, *arrays)
    return [jnp.asarray(array).astype(dtype) for array in arrays]


def check_rank(rank: int, **arrays) -> None:
    """Raises ValueError for the first array that has not so many axes."""
    for name, array in arrays.items():
        if jnp.ndim(array) != rank:
            raise ValueError(
                f"{name} must have {rank} axes, but its shape is {jnp.shape(array)}."
            )


def check_shape(expected: Sequence[int], **arrays) -> None:
    """Raises ValueError for the first array whose shape is not the expected one."""
    for name, array in arrays.items():
        if jnp.shape(array) != tuple(expected):
            raise ValueError(
                f"{name} must have the shape {tuple(expected)}, as the other inputs "
                f"ask for, but it is {jnp.shape(array)}."
            )


def check_positive(**numbers) -> None:
    """Raises ValueError for the first number that is known now and not above zero."""
    for name, number in numbers.items():
        if isinstance(number, jax.core.Tracer):
            continue
        if not (number > 0 and math.isfinite(number)):
            raise ValueError(f"{name} must be positive and finite, but it is {number}.")


def check_not_empty(**arrays) -> None:
    """Raises ValueError for the first array that has no elements."""
    for name, array in arrays.items():
        if jnp.size(array) == 0:
            raise ValueError(f"{name} is empty: its shape is {jnp.shape(array)}.")
