"""The floor: precision, unit vectors, whole arrays. Everyone may import it.

Arithmetic is in at least float32: bfloat16 and float16 are raised, float64 stays.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

__all__ = [
    "SMALLEST_NORM",
    "at_least_float32",
    "one_float_type",
    "spread",
    "unit",
    "value_at",
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


def value_at(value: Any, step: ArrayLike) -> Any:
    """What a number or a schedule is at a step.

    Args:
      value: a number, or `step -> number`.
      step: the step.

    Returns:
      The number.

    Example:
      >>> value_at(0.5, 3), value_at(lambda step: 2 * step, 3)
      (0.5, 6)
    """
    return value(step) if callable(value) else value


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


def spread(x: Any) -> Array:
    """The same array, its first axis over all devices that are traced for.

    For examples that were gathered from the whole batch, or joined of its parts: the
    partitioner may leave them whole on every device, and all that is made of them.

    Args:
      x: an array `[b ...]`.

    Returns:
      The array; outside of a train step, or where the devices do not divide b, nothing
      is done.

    Example:
      >>> spread(jnp.ones(2)).tolist()
      [1.0, 1.0]
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or x.shape[0] % mesh.size:
        return x
    spec = jax.sharding.PartitionSpec(mesh.axis_names)
    return jax.lax.with_sharding_constraint(x, spec)
