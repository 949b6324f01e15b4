"""InfoNCE: a query finds its key among negatives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32, one_float_type
from sslax.checks import (
    check_count,
    check_positive,
    check_rank,
    check_same_features,
    check_same_shape,
    check_shape,
)
from sslax.losses._cosine import directions
from sslax.losses._numerics import dot, inner, logsumexp_but, over_rows, reduced


def info_nce(
    query: Float[Array, "b d"],
    positive: Float[Array, "b d"],
    negatives: Float[Array, "*n d"] | None = None,
    *,
    temperature: ArrayLike,
    normalize: bool = True,
    reduction: str = "mean",
    block_size: int | None = None,
) -> Float[Array, "*out"]:
    """InfoNCE, one direction: each query finds its positive among negatives.

    loss = mean_i -log( e^{q_i.k_i/t} / (e^{q_i.k_i/t} + sum_n e^{q_i.n/t}) )

    Without `negatives`, the negatives of a query are the other keys of the batch.
    With negatives, they are only these: a queue or a bank `[n d]` that all queries
    share, or `[b n d]` for one set per query. All vectors are normalised here. Without
    a temperature see `info_nce_logits`; in both directions see `clip`, with both views
    as anchors and negatives `nt_xent`.

    Args:
      query: queries, any length.
      positive: the key of each query; MoCo stops its gradient.
      negatives: `[n d]` shared, `[b n d]` per query, or None for the batch's own keys.
      temperature: above 0; MoCo uses 0.07, MoCo v2 0.2.
      normalize: False takes the vectors as they are, for unit vectors.
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
    query, positive = directions(query, positive, normalize=normalize)
    rows = {"query": query, "positive": positive}
    if negatives is None:
        check_count(2, query=query)
        keys = positive
    else:
        _check_negatives(query, negatives)
        (keys,) = directions(negatives, normalize=normalize)
        if keys.ndim == 3:
            rows["negatives"] = keys

    def block(rows, index):
        if "negatives" in rows:
            logits = inner(rows["query"][:, None, :], rows["negatives"]) / temperature
        else:
            logits = dot(rows["query"], keys) / temperature
        own = jnp.zeros((), bool)
        if negatives is None:
            own = index[:, None] == jnp.arange(keys.shape[0])[None, :]
        positive = inner(rows["query"], rows["positive"]) / temperature
        return jax.nn.softplus(logsumexp_but(logits, own) - positive)

    return reduced(over_rows(block, rows, block_size=block_size), reduction)


def info_nce_logits(
    logits: Float[Array, "*b n"], *, reduction: str = "mean"
) -> Float[Array, "*out"]:
    """InfoNCE on given scores: the positive stands first, the negatives follow.

    loss = mean_i -log( e^{s_i0} / sum_n e^{s_in} )

    For scores that are not cosines over a temperature: of a bank (`bank_scores`), of
    unit vectors and a queue, of a bilinear form. `info_nce` makes the scores itself.

    Args:
      logits: scores, the positive at index 0 of the last axis; any leading axes.
      reduction: "mean", or "none" for one value per row.

    Returns:
      A scalar, at least 0 (or values of shape `*b`).

    Raises:
      ValueError: if there is no negative.

    Example:
      >>> import jax.numpy as jnp
      >>> round(float(info_nce_logits(jnp.array([[2.0, 0.0, 0.0]]))), 4)
      0.2395

    References:
      van den Oord et al., "Representation Learning with Contrastive Predictive Coding",
      2018, arXiv:1807.03748, equation 4.
    """
    if logits.ndim == 0 or logits.shape[-1] < 2:
        raise ValueError(
            f"logits need a positive and a negative or more, got {logits.shape}"
        )
    logits = at_least_float32(logits)
    odds = jax.nn.logsumexp(logits[..., 1:], axis=-1) - logits[..., 0]
    return reduced(jax.nn.softplus(odds), reduction)


def moco_v3(
    query1: Float[Array, "b d"],
    query2: Float[Array, "b d"],
    key1: Float[Array, "b d"],
    key2: Float[Array, "b d"],
    *,
    temperature: ArrayLike,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """MoCo v3: the batch's keys instead of a queue, both directions, times `2 t`.

    loss = 2 t ( info_nce(q1, k2) + info_nce(q2, k1) )

    The factor keeps the gradient's size the same for all temperatures. It is `info_nce`
    twice; `clip` is the form with one shared matrix of logits.

    Args:
      query1: predictions of the student for the first views, any length.
      query2: those for the second views.
      key1: projections of the teacher for the first views; their gradient is stopped
        by the method.
      key2: those for the second views.
      temperature: above 0; the paper uses 0.2 for ViT and 1.0 for ResNet-50.
      block_size: queries in a block, see `info_nce`.

    Returns:
      A scalar, at least 0.

    Raises:
      ValueError: if shapes differ, if b < 2, or if the temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> q = jnp.eye(4)
      >>> round(float(moco_v3(q, q, q, q, temperature=1.0)), 4)
      2.9747

    References:
      Chen, Xie and He, "An Empirical Study of Training Self-Supervised Vision
      Transformers", 2021, arXiv:2104.02057, algorithm 1.
    """
    check_same_shape(query1=query1, query2=query2, key1=key1, key2=key2)
    options = {"temperature": temperature, "block_size": block_size}
    first = info_nce(query1, key2, **options)
    second = info_nce(query2, key1, **options)
    return 2 * temperature * (first + second)


def curl(
    anchor: Float[Array, "b d"],
    positive: Float[Array, "b e"],
    weights: Float[Array, "d e"],
    *,
    reduction: str = "mean",
) -> Float[Array, "*out"]:
    """CURL's InfoNCE with a learned bilinear score, one direction.

    loss = mean_i -log( e^{a_i W k_i} / sum_j e^{a_i W k_j} )

    No normalisation and no temperature: the matrix learns the scale. With cosines it
    would be `info_nce` on the batch's keys.

    Args:
      anchor: codes of the online encoder.
      positive: codes of the momentum encoder; the method stops their gradient.
      weights: the bilinear form W.
      reduction: "mean", or "none" for one value per anchor `[b]`.

    Returns:
      A scalar, at least 0 (or `[b]`).

    Raises:
      ValueError: if the shapes do not fit or if b < 2.

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.eye(4)
      >>> round(float(curl(z, z, jnp.eye(4))), 4)
      0.7437

    References:
      Srinivas et al., "CURL: Contrastive Unsupervised Representations for Reinforcement
      Learning", 2020, arXiv:2004.04136, equation 4.
    """
    check_rank(2, anchor=anchor, positive=positive)
    check_count(2, anchor=anchor)
    check_shape((anchor.shape[0], weights.shape[-1]), positive=positive)
    check_shape((anchor.shape[1], positive.shape[1]), weights=weights)
    anchor, positive, weights = one_float_type(anchor, positive, weights)
    logits = dot(dot(anchor, weights.T), positive)
    own = jnp.eye(logits.shape[0], dtype=bool)
    odds = logsumexp_but(logits, own) - jnp.diagonal(logits)
    return reduced(jax.nn.softplus(odds), reduction)


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
