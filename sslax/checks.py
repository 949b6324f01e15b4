"""Checks of arguments. Everyone may import them.

A check names its argument as the caller calls it, says what it must be, and what it is:
`check_positive(temperature=temperature)`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

__all__ = [
    "check_below_one",
    "check_choice",
    "check_count",
    "check_multiple",
    "check_not_empty",
    "check_not_negative",
    "check_positive",
    "check_probability",
    "check_rank",
    "check_same_features",
    "check_same_shape",
    "check_shape",
]


def check_below_one(**numbers: float) -> None:
    """Raises unless every number is in [0, 1).

    Args:
      **numbers: numbers by their names.

    Raises:
      ValueError: for the first that is not.
    """
    for name, number in numbers.items():
        if not 0 <= number < 1:
            raise ValueError(f"{name} must be in [0, 1); got {number}")


def check_choice(choices: Iterable[Any], /, **named: Any) -> None:
    """Raises unless every option is one of the choices.

    Args:
      choices: what there is.
      **named: options by their names.

    Raises:
      ValueError: for the first that is none of them.

    Example:
      >>> check_choice(("mean", "sum"), reduction="max")
      Traceback (most recent call last):
      ...
      ValueError: reduction must be one of 'mean', 'sum'; got 'max'
    """
    choices = tuple(choices)
    for name, value in named.items():
        if value not in choices:
            listed = ", ".join(map(repr, choices))
            raise ValueError(f"{name} must be one of {listed}; got {value!r}")


def check_positive(**numbers: Any) -> None:
    """Raises unless every number that is known now is finite and above zero.

    Args:
      **numbers: numbers by their names; traced ones pass.

    Raises:
      ValueError: for the first that is not.
    """
    for name, number in numbers.items():
        if isinstance(number, jax.core.Tracer):
            continue
        if not (number > 0 and math.isfinite(number)):
            raise ValueError(f"{name} must be positive and finite; got {number}")


def check_not_negative(**numbers: Any) -> None:
    """Raises unless every number that is known now is 0 or more.

    Args:
      **numbers: numbers by their names; traced ones pass.

    Raises:
      ValueError: for the first that is not.
    """
    for name, number in numbers.items():
        if not isinstance(number, jax.core.Tracer) and not number >= 0:
            raise ValueError(f"{name} must be 0 or more; got {number}")


def check_probability(**numbers: Any) -> None:
    """Raises unless every number that is known now is in [0, 1].

    Args:
      **numbers: numbers by their names; traced ones pass.

    Raises:
      ValueError: for the first that is not.
    """
    for name, number in numbers.items():
        if not isinstance(number, jax.core.Tracer) and not 0 <= number <= 1:
            raise ValueError(f"{name} must be in [0, 1]; got {number}")


def check_rank(rank: int, /, **arrays: Any) -> None:
    """Raises unless every array has so many axes.

    Args:
      rank: the number of axes.
      **arrays: arrays by their names.

    Raises:
      ValueError: for the first that has another number of axes.
    """
    for name, array in arrays.items():
        if jnp.ndim(array) != rank:
            raise ValueError(
                f"{name} must have {rank} axes; got the shape {jnp.shape(array)}"
            )


def check_shape(expected: Sequence[int], /, **arrays: Any) -> None:
    """Raises unless every array has this shape.

    Args:
      expected: the shape that the other inputs ask for.
      **arrays: arrays by their names.

    Raises:
      ValueError: for the first that has another.
    """
    for name, array in arrays.items():
        if jnp.shape(array) != tuple(expected):
            raise ValueError(
                f"{name} must have the shape {tuple(expected)}, as the other inputs "
                f"ask for; got {jnp.shape(array)}"
            )


def check_not_empty(**arrays: Any) -> None:
    """Raises unless every array has an element.

    Args:
      **arrays: arrays by their names.

    Raises:
      ValueError: for the first that has none.
    """
    for name, array in arrays.items():
        if jnp.size(array) == 0:
            raise ValueError(f"{name} is empty: its shape is {jnp.shape(array)}")


def check_count(least: int, /, **arrays: Any) -> None:
    """Raises unless every array has at least so many rows.

    Args:
      least: the number of rows that are needed.
      **arrays: arrays by their names.

    Raises:
      ValueError: for the first that has fewer.
    """
    for name, array in arrays.items():
        if jnp.shape(array)[0] < least:
            raise ValueError(
                f"{name} must have {least} or more rows; got the shape "
                f"{jnp.shape(array)}"
            )


def check_multiple(batch: int, /, **sizes: int) -> None:
    """Raises unless whole batches fill what has these sizes.

    Args:
      batch: images in a batch.
      **sizes: sizes by their names.

    Raises:
      ValueError: for the first that is no multiple, with the nearest that are.
    """
    for name, size in sizes.items():
        if size % batch:
            lower = size // batch * batch
            raise ValueError(
                f"{name}={size} is not a multiple of the batch of {batch} images; the "
                f"nearest are {lower} and {lower + batch}"
            )


def check_same_shape(**arrays: Any) -> None:
    """Raises unless all shapes are equal.

    Args:
      **arrays: arrays by their names.

    Raises:
      ValueError: with every name and shape.
    """
    _check_same("shape", {name: jnp.shape(x) for name, x in arrays.items()})


def check_same_features(**arrays: Any) -> None:
    """Raises unless all last axes are equal.

    Args:
      **arrays: arrays by their names.

    Raises:
      ValueError: with every name and shape.
    """
    shapes = {name: jnp.shape(x) for name, x in arrays.items()}
    _check_same("number of features", shapes, last=1)


def _check_same(what: str, shapes: dict[str, tuple[int, ...]], last: int = 0) -> None:
    if len({shape[-last:] for shape in shapes.values()}) > 1:
        seen = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"arrays must have one {what}; got {seen}")
