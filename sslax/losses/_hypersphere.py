"""Two properties of points on the sphere: alignment and uniformity."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.arrays import SMALLEST_NORM, at_least_float32, one_float_type
from sslax.checks import check_count, check_positive, check_rank, check_same_shape
from sslax.losses._numerics import dot, inner, logsumexp_but, over_rows


def alignment(
    x: Float[Array, "b d"], y: Float[Array, "b d"], *, alpha: float | int = 2.0
) -> Float[Array, ""]:
    """How far positive pairs are apart: the mean of distance to the power alpha.

    loss = mean_i ||x_i - y_i||^alpha

    Half of what contrastive losses do; `uniformity` is the other half. With alpha 2 it
    is `cosine_regression` of unit vectors.

    Args:
      x: unit vectors; they are not normalised here.
      y: unit vectors of the other views, in the same order.
      alpha: above 0; the paper uses 2.

    Returns:
      A scalar in [0, 2^alpha].

    Raises:
      ValueError: if shapes differ, if the batch is empty or if alpha is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> float(alignment(jnp.eye(2), jnp.eye(2)[::-1]))
      2.0

    References:
      Wang and Isola, "Understanding Contrastive Representation Learning through
      Alignment and Uniformity on the Hypersphere", 2020, arXiv:2005.10242, section 4.1.
    """
    check_rank(2, x=x, y=y)
    check_same_shape(x=x, y=y)
    check_count(1, x=x)
    check_positive(alpha=alpha)
    x, y = one_float_type(x, y)
    square = inner(x - y, x - y)
    if alpha == 2:
        return jnp.mean(square)
    apart = square > SMALLEST_NORM**2
    power = jnp.where(apart, square, 1.0) ** (alpha / 2)
    return jnp.mean(jnp.where(apart, power, 0.0))


def uniformity(
    x: Float[Array, "b d"], *, t: ArrayLike = 2.0, block_size: int | None = None
) -> Float[Array, ""]:
    """How evenly points fill the sphere: the log of the mean Gaussian potential.

    loss = log mean_{i < j} e^{-t ||x_i - x_j||^2}

    The other half is `alignment`. The paper trains with the mean over both views.

    Args:
      x: unit vectors; they are not normalised here.
      t: above 0; the paper uses 2.
      block_size: points in a block; the matrix of distances is then never whole in
        memory, in either pass.

    Returns:
      A scalar in [-4t, 0]: 0 where all points coincide. A point is not paired with
      itself.

    Raises:
      ValueError: if there are fewer than two points or if t is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> round(float(uniformity(jnp.eye(3))), 4)
      -4.0

    References:
      Wang and Isola, "Understanding Contrastive Representation Learning through
      Alignment and Uniformity on the Hypersphere", 2020, arXiv:2005.10242, section 4.1.
    """
    check_rank(2, x=x)
    check_count(2, x=x)
    check_positive(t=t)
    x = at_least_float32(x)
    # Distances from inner products lose digits relative to the points' length, so the
    # points are measured from their mean: a tight cluster keeps its distances.
    points = x - jnp.mean(x, axis=0, keepdims=True)
    squares = inner(points, points)

    def rows(row, index):
        point, square = row
        distance = square[:, None] + squares[None, :] - 2 * dot(point, points)
        own = index[:, None] == jnp.arange(points.shape[0])[None, :]
        return logsumexp_but(-t * distance, own)

    log_sums = over_rows(rows, (points, squares), block_size=block_size)
    pairs = x.shape[0] * (x.shape[0] - 1)
    return jax.nn.logsumexp(log_sums) - math.log(pairs)
