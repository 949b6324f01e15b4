"""InfoNCE: a query finds its key among negatives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.losses._cosine import unit
from sslax.losses._numerics import (
    check_count,
    check_positive,
    check_rank,
    check_same_features,
    check_same_shape,
    dot,
    inner,
    over_rows,
    reduced,
)


def info_nce(
    query: Float[Array, "b d"],
    positive: Float[Array, "b d"],
    negatives: Float[Array, "*n d"] | None = None,
    *,
    temperature: ArrayLike,
    reduction: str = "mean",
    block_size: int | None = None,
) -> Float[Array, "*out"]:
    """InfoNCE, one direction: each query finds its positive among negatives.

    Formula: mean_i -log( e^{q_i.k_i/t} / (e^{q_i.k_i/t} + sum_n e^{q_i.n/t}) ).

    Without `negatives`, the negatives of a query are the other keys of the batch.
    With negatives, they are only these: a queue or a bank `[n d]` that all queries
    share, or `[b n d]` for one set per query. All vectors are normalised here.

    Args:
      query: queries, any length.
      positive: the key of each query; MoCo stops its gradient.
      negatives: `[n d]` shared, `[b n d]` per query, or None for the batch's own keys.
      temperature: above 0; MoCo uses 0.07, MoCo v2 0.2.
      reduction: "mean", or "none" for one value per query `[b]`.
      block_size: queries in a block; the matrix of logits is then never whole in
        memory, in either pass. None computes it at once.

    Returns:
      A scalar, at least 0 (or `[b]`).

    Raises:
      ValueError: if the shapes do not fit, if there is no negative, or if the
        temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> q = jnp.eye(4)
      >>> round(float(info_nce(q, q, temperature=1.0)), 4)
      0.7437
      >>> queue = -jnp.eye(4)
      >>> round(float(info_nce(q, q, queue, temperature=1.0)), 4)
      0.806

    References:
      van den Oord et al., "Representation Learning with Contrastive Predictive Coding",
      2018, arXiv:1807.03748, equation 4.
      He et al., "Momentum Contrast for Unsupervised Visual Representation Learning",
      2019, arXiv:1911.05722, equation 1.
    """
    check_rank(2, query=query, positive=positive)
    check_same_shape(query=query, positive=positive)
    check_positive(temperature=temperature)
    query, positive = unit(query), unit(positive)
    rows = {"query": query, "positive": positive}
    if negatives is None:
        check_count(2, query=query)
        keys = positive
    else:
        _check_negatives(query, negatives)
        keys = unit(negatives)
        if keys.ndim == 3:
            rows["negatives"] = keys

    def block(rows, index):
        if "negatives" in rows:
            logits = inner(rows["query"][:, None, :], rows["negatives"])
        else:
            logits = dot(rows["query"], keys)
        logits = logits / temperature
        if negatives is None:
            own = index[:, None] == jnp.arange(keys.shape[0])[None, :]
            logits = jnp.where(own, -jnp.inf, logits)
        own_key = inner(rows["query"], rows["positive"]) / temperature
        return jax.nn.softplus(jax.nn.logsumexp(logits, axis=1) - own_key)

    return reduced(over_rows(block, rows, block_size=block_size), reduction)


def _check_negatives(query: Array, negatives: Array) -> None:
    check_same_features(query=query, negatives=negatives)
    if negatives.ndim not in (2, 3) or negatives.shape[-2] == 0:
        raise ValueError(
            f"negatives must be [n d] or [b n d] with n >= 1, got {negatives.shape}"
        )
    if negatives.ndim == 3 and negatives.shape[0] != query.shape[0]:
        raise ValueError(
            f"negatives {negatives.shape} must have one row per query {query.shape}"
        )
