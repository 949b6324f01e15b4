"""The floor: precision, unit vectors, and checks of arguments. Everyone may import it.

Arithmetic is in at least float32: bfloat16 and float16 are raised, float64 stays. A
check names its argument as the caller calls it, says what it must be, and what it is:
`check_positive(temperature=temperature)`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = [
    "SMALLEST_NORM",
    "at_least_float32",
    "check_below_one",
    "check_choice",
    "check_count",
    "check_not_empty",
    "check_positive",
    "check_probability",
    "check_rank",
    "check_same_features",
    "check_same_shape",
    "check_shape",
    "one_float_type",
    "unit",
    "whole",
]

# Below this norm a vector has no direction. The square of it, to the power -3/2, is
# still a float32 number, so that the gradient of the norm cannot overflow.
SMALLEST_NORM = 1e-12


def at_least_float32(x: Any) -> Array:
    """The array in float32, or in float64 if that is what it is.

    Args:
      x: an array or a number.

    Returns:
      The array.

    Example:
      >>> at_least_float32(jnp.ones(2, jnp.bfloat16)).dtype
      dtype('float32')
    """
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def one_float_type(*arrays: Any) -> list[Array]:
    """The arrays in one common float type: float32, or float64 if one of them is.

    Args:
      *arrays: arrays or numbers.

    Returns:
      The arrays.
    """
    dtype = jnp.result_type(jnp.float32, *arrays)
    return [jnp.asarray(array).astype(dtype) for array in arrays]


def unit(
    x: Float[Array | np.ndarray, "*b d"], *, axis: int = -1
) -> Float[Array, "*b d"]:
    """The direction of each vector: `x / ||x||` over the last axis.

    value = x / ||x||

    The one normalisation of sslax. A vector shorter than 1e-12 has no direction: it
    becomes 0 and its gradient is 0, where a plain division would give nan.

    Args:
      x: vectors, any leading axes.
      axis: the axis along which a vector lies.

    Returns:
      Vectors of length 1 (or 0), in at least float32.

    Example:
      >>> import jax.numpy as jnp
      >>> unit(jnp.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
      [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]

    References:
      Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
      Discrimination", 2018, arXiv:1805.01978, section 3.1.
    """
    x = at_least_float32(x)
    square = jnp.sum(x * x, axis=axis, keepdims=True)
    zero = square <= SMALLEST_NORM**2
    return jnp.where(zero, 0.0, x) / jnp.sqrt(jnp.where(zero, 1.0, square))


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


def whole(x: Any) -> Array:
    """The same array, whole on every device that is traced for.

    For the small side of a product whose large side lies split over the devices: the
    partitioner then sends the small one.

    Args:
      x: an array.

    Returns:
      The array; outside of a train step nothing is done.

    Example:
      >>> whole(jnp.ones(2)).tolist()
      [1.0, 1.0]
    """
    if jax.sharding.get_abstract_mesh().empty:
        return x
    return jax.lax.with_sharding_constraint(x, jax.sharding.PartitionSpec())


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
