"""KoLeo: features that spread evenly."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.arrays import unit
from sslax.checks import check_count, check_positive, check_rank
from sslax.losses._numerics import dot, length, over_rows


def koleo(
    features: Float[Array, "b d"],
    *,
    epsilon: float = 1e-8,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """KoLeo regulariser: minus the log of the distance to the nearest other vector.

    loss = -mean_i log( min_{j != i} || u_i - u_j || + eps ), u = x / ||x||

    An estimate of the differential entropy: small where the features of a batch spread
    evenly over the sphere. DINOv2 adds it with weight 0.1, for each global crop.

    Args:
      features: x, `[b d]`, any length (normalised here); class tokens in DINOv2.
      epsilon: eps, above 0, bounds the loss of vectors that are equal.
      block_size: rows in a block; the matrix of similarities is then never whole in
        memory. None computes it at once.

    Returns:
      A scalar, at most -log(eps). Equal vectors give that value, and no gradient.

    Raises:
      ValueError: if there are fewer than two vectors or epsilon is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> round(float(koleo(jnp.array([[3.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))), 4)
      -0.3466

    Note:
      The code of DINOv2 adds eps to each coordinate of the difference as well, which
      moves the value by less than the rounding of float32.

    References:
      Sablayrolles et al., "Spreading Vectors for Similarity Search", 2018,
      arXiv:1806.03198, equation 2.
      Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023,
      arXiv:2304.07193, section 4.
    """
    check_rank(2, features=features)
    check_count(2, features=features)
    check_positive(epsilon=epsilon)
    u = unit(features)

    def nearest(row, index):
        own = index[:, None] == jnp.arange(u.shape[0])[None, :]
        return jnp.argmax(jnp.where(own, -jnp.inf, dot(row, u)), axis=1)

    neighbour = over_rows(nearest, u, block_size=block_size)
    return -jnp.mean(jnp.log(length(u - u[neighbour]) + epsilon))
