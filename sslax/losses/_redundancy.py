"""Features that agree across views and do not repeat each other."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.arrays import one_float_type
from sslax.checks import check_count, check_positive, check_rank, check_same_shape
from sslax.losses._numerics import dot, over_rows


def cross_correlation(
    z1: Float[Array, "b d"], z2: Float[Array, "b d"], *, epsilon: ArrayLike = 1e-5
) -> Float[Array, "d d"]:
    """Correlations over the batch between the features of two views.

    value_ij = mean_b z1_bi z2_bj, each feature standardised over the batch

    What `barlow_twins` brings towards the identity; a matrix to look at in training.

    Args:
      z1: projections of the first views.
      z2: projections of the second views, in the same order.
      epsilon: added to the (biased) variance inside the root.

    Returns:
      The matrix, in [-1, 1]. A feature that is constant correlates with nothing.

    Raises:
      ValueError: if shapes differ, if b < 2 or if epsilon is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
      >>> cross_correlation(z, z).round(3).tolist()
      [[1.0, 0.0], [0.0, 1.0]]

    References:
      Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction",
      2021, arXiv:2103.03230, equation 2.
    """
    z1, z2 = _standardised(z1, z2, epsilon)
    return dot(z1.T, z2.T) / z1.shape[0]


def barlow_twins(
    z1: Float[Array, "b d"],
    z2: Float[Array, "b d"],
    *,
    redundancy_weight: ArrayLike = 0.0051,
    epsilon: ArrayLike = 1e-5,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Barlow Twins: the cross-correlation of two views becomes the identity.

    loss = sum_i (C_ii - 1)^2 + lambda sum_{i != j} C_ij^2

    C is `cross_correlation`. `vicreg` holds variance and covariance in each view alone.

    Args:
      z1: projections of the first views.
      z2: projections of the second views, in the same order.
      redundancy_weight: lambda; the official code uses 0.0051.
      epsilon: added to the (biased) variance inside the root.
      block_size: features in a block; the d x d matrix is then never whole in memory,
        in either pass.

    Returns:
      A scalar, at least 0: sums, not means.

    Raises:
      ValueError: if shapes differ, if b < 2 or if epsilon is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
      >>> round(float(barlow_twins(z, -z)), 3)
      8.0

    Note:
      The official code has no further factor; solo-learn multiplies by 0.025.

    References:
      Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction",
      2021, arXiv:2103.03230, equation 1.
    """
    z1, z2 = _standardised(z1, z2, epsilon)
    count, width = z1.shape
    other = z2.T

    def rows(features, index):
        correlation = dot(features, other) / count
        diagonal = index[:, None] == jnp.arange(width)[None, :]
        off = jnp.where(diagonal, 0.0, correlation)
        on = jnp.sum(jnp.where(diagonal, correlation, 0.0), axis=1)
        return (on - 1) ** 2 + redundancy_weight * jnp.sum(off * off, axis=1)

    return jnp.sum(over_rows(rows, z1.T, block_size=block_size))


def vicreg(
    z1: Float[Array, "b d"],
    z2: Float[Array, "b d"],
    *,
    invariance_weight: ArrayLike = 25.0,
    variance_weight: ArrayLike = 25.0,
    covariance_weight: ArrayLike = 1.0,
    epsilon: ArrayLike = 1e-4,
) -> Float[Array, ""]:
    """VICReg: views agree, every feature varies, no two features vary together.

    loss = a mean (z1 - z2)^2 + b mean_views mean_j relu(1 - std_j)
    + c sum_views sum_{i != j} Cov_ij^2 / d

    Variances and covariances are unbiased, std is sqrt(var + epsilon). Unlike
    `barlow_twins` it asks each view alone, so that the two nets may differ.

    Args:
      z1: projections of the first views.
      z2: projections of the second views, in the same order.
      invariance_weight: a, the paper's lambda.
      variance_weight: b, the paper's mu.
      covariance_weight: c, the paper's nu.
      epsilon: added to the variance inside the root.

    Returns:
      A scalar, at least 0.

    Raises:
      ValueError: if shapes differ, if b < 2 or if epsilon is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
      >>> float(vicreg(z, z))
      0.0

    Note:
      The variance term is the mean over the two views, as in the official code; the
      paper's equation 6 sums them (2 times this term).

    References:
      Bardes, Ponce and LeCun, "VICReg: Variance-Invariance-Covariance Regularization
      for Self-Supervised Learning", 2021, arXiv:2105.04906, equations 1 to 6.
    """
    z1, z2 = _checked(z1, z2, epsilon)
    invariance = jnp.mean((z1 - z2) ** 2)
    variance, covariance = zip(*(_spread(z, epsilon) for z in (z1, z2)), strict=True)
    return (
        invariance_weight * invariance
        + variance_weight * (variance[0] + variance[1]) / 2
        + covariance_weight * (covariance[0] + covariance[1])
    )


def _spread(z: Array, epsilon: ArrayLike) -> tuple[Array, Array]:
    """The hinge on standard deviations and the squared covariances of one view."""
    count, width = z.shape
    centred = z - jnp.mean(z, axis=0, keepdims=True)
    covariance = dot(centred.T, centred.T) / (count - 1)
    diagonal = jnp.eye(width, dtype=bool)
    off = jnp.where(diagonal, 0.0, covariance)
    deviation = jnp.sqrt(jnp.sum(centred**2, axis=0) / (count - 1) + epsilon)
    return jnp.mean(jax.nn.relu(1 - deviation)), jnp.sum(off * off) / width


def _standardised(z1: Array, z2: Array, epsilon: ArrayLike) -> list[Array]:
    def standardise(z):
        centred = z - jnp.mean(z, axis=0, keepdims=True)
        variance = jnp.mean(centred * centred, axis=0, keepdims=True)
        return centred / jnp.sqrt(variance + epsilon)

    return [standardise(z) for z in _checked(z1, z2, epsilon)]


def _checked(z1: Array, z2: Array, epsilon: ArrayLike) -> list[Array]:
    check_rank(2, z1=z1, z2=z2)
    check_same_shape(z1=z1, z2=z2)
    check_count(2, z1=z1)
    check_positive(epsilon=epsilon)
    return one_float_type(z1, z2)
