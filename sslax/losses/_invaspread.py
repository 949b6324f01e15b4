"""Invariant and spreading features: every negative is a binary decision of its own."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.checks import check_same_shape
from sslax.losses._cosine import directions
from sslax.losses._nt_xent import check_pair
from sslax.losses._numerics import dot, logsumexp_but, over_rows


def invaspread(
    z1: Float[Array, "b d"],
    z2: Float[Array, "b d"],
    keys: tuple[Float[Array, "b d"], Float[Array, "b d"]] | None = None,
    *,
    temperature: ArrayLike,
    negative_weight: float | int = 1.0,
    normalize: bool = True,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """The instance loss of InvaSpread: find the other view, and be none of the others.

    loss = mean_i ( -log P_ip - m sum_{j != i, p} log(1 - P_ij) ),
    P_ij = e^{x_i.x_j/t} / sum_{k != i} e^{x_i.x_k/t}

    Over the 2b unit vectors x of both views; p is the other view of i. The first term
    alone is `nt_xent`.

    Args:
      z1: projections of the first views, any length (they are normalised here).
      z2: projections of the second views, in the same order.
      keys: what anchors are compared with, (z1, z2) if None. The official code passes
        them without gradient, so that a vector learns as an anchor only.
      temperature: above 0; the paper uses 0.1.
      negative_weight: m, 1 or more; it also weighs the negatives in the denominator.
      normalize: False takes the vectors as they are, for unit vectors.
      block_size: anchors in a block, see `nt_xent`.

    Returns:
      A scalar, at least 0.

    Raises:
      ValueError: if shapes differ, if b < 2, if the temperature is not positive or if
        the weight is below 1.

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.eye(4)
      >>> round(float(invaspread(z, z, temperature=1.0)), 4)
      1.8964

    Note:
      The paper describes both factors of an inner product as live; the released code
      stops the gradient of the second one. `keys` chooses.

    References:
      Ye et al., "Unsupervised Embedding Learning via Invariant and Spreading Instance
      Feature", 2019, arXiv:1904.03436, equation 6.
    """
    check_pair(z1, z2, temperature)
    if negative_weight < 1:
        raise ValueError(f"negative_weight must be 1 or more, got {negative_weight}")
    first, second = (z1, z2) if keys is None else keys
    check_same_shape(z1=z1, first_keys=first, second_keys=second)
    z1, z2, first, second = directions(z1, z2, first, second, normalize=normalize)
    anchors = jnp.concatenate([z1, z2])
    candidates = jnp.concatenate([first, second])
    count = z1.shape[0]

    def rows(anchor, index):
        place = jnp.arange(2 * count)[None, :]
        self = index[:, None] == place
        partner = ((index + count) % (2 * count))[:, None] == place
        logits = dot(anchor, candidates) / temperature
        return _instance_terms(logits, self, partner, negative_weight)

    return jnp.mean(over_rows(rows, anchors, block_size=block_size))


def _instance_terms(
    logits: Array, self: Array, partner: Array, weight: float | int
) -> Array:
    """-log P_p - m sum_n log(1 - P_n), per row, from logits `[m n]`."""
    weighed = jnp.where(partner, logits, logits + math.log(weight))
    total = logsumexp_but(weighed, self)
    positive = jnp.sum(jnp.where(partner, logits, 0.0), axis=1)
    # Only the largest negative can have P above 1/2. There 1 - P is what all others
    # have together, which keeps its digits where 1 - P itself would be rounding.
    negatives = jnp.where(self | partner, -jnp.inf, logits)
    largest = jnp.argmax(negatives, axis=1)
    is_largest = largest[:, None] == jnp.arange(logits.shape[1])[None, :]
    rest = logsumexp_but(weighed, self | is_largest)
    if weight > 1:
        top = jnp.sum(jnp.where(is_largest, logits, 0.0), axis=1)
        rest = jnp.logaddexp(rest, top + math.log(weight - 1))
    small = jnp.where(self | partner | is_largest, -jnp.inf, logits - total[:, None])
    spread = jnp.sum(jnp.log1p(-jnp.exp(small)), axis=1) + rest - total
    return total - positive - weight * spread
