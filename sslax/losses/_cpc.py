"""Contrastive predictive coding: a context predicts codes further on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sslax.arrays import one_float_type
from sslax.checks import check_rank, check_shape
from sslax.losses._info_nce import info_nce_logits
from sslax.losses._numerics import dot, inner, logsumexp_but, reduced

_FULL = jax.lax.Precision.HIGHEST


def cpc(
    contexts: Float[Array, "b s c"],
    targets: Float[Array, "b s e"],
    weights: Float[Array, "p e c"],
    negatives: Int[Array, "b w n"],
    *,
    reduction: str = "mean",
) -> Float[Array, "*out"]:
    """CPC on sequences: the context at t predicts the codes at t + 1 ... t + p.

    loss = mean_{k,b,t} -log( e^{z_{t+k} W_k c_t} / sum_{z'} e^{z' W_k c_t} ),
    z' over z_{t+k} and the negatives

    No normalisation and no temperature: the bilinear forms learn the scale. `cpc_grid`
    is the form for images, `cpc_v2` the one that takes all codes as negatives.

    Args:
      contexts: c, outputs of the autoregressive net.
      targets: z, codes of the encoder.
      weights: W, one bilinear form for each of p steps ahead.
      negatives: for the w = s - p positions that have all p targets, rows of the codes
        `[b*s e]`, in [0, b*s); all steps share them, the positive may be among them.
      reduction: "mean", or "none" for one value per step ahead `[p]`.

    Returns:
      A scalar, at least 0 (or `[p]`).

    Raises:
      ValueError: if the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> codes, weights = jnp.ones((1, 3, 2)), jnp.ones((1, 2, 2))
      >>> negatives = jnp.array([[[0, 1, 2], [0, 1, 2]]])
      >>> round(float(cpc(codes, codes, weights, negatives)), 4)
      1.3863

    Note:
      CPC_audio divides the score by the width of the codes; pass `weights / e` for it.

    References:
      van den Oord et al., "Representation Learning with Contrastive Predictive Coding",
      2018, arXiv:1807.03748, equations 3 and 4.
    """
    check_rank(3, contexts=contexts, targets=targets, weights=weights)
    check_rank(3, negatives=negatives)
    batch, length, width = targets.shape
    steps = weights.shape[0]
    window = length - steps
    if window < 1:
        raise ValueError(f"{steps} steps ahead need more than {length} positions")
    check_shape((batch, length, weights.shape[2]), contexts=contexts)
    check_shape((steps, width, contexts.shape[2]), weights=weights)
    check_shape((batch, window, negatives.shape[2]), negatives=negatives)
    contexts, targets, weights = one_float_type(contexts, targets, weights)
    noise = targets.reshape((batch * length, width))[negatives]
    values = []
    for k in range(steps):
        ahead = targets[:, k + 1 : k + 1 + window]
        logits = _scores(contexts[:, :window], weights[k], ahead, noise)
        values.append(info_nce_logits(logits))
    return reduced(jnp.stack(values), reduction)


def cpc_grid(
    contexts: Float[Array, "b h w c"],
    targets: Float[Array, "b h w e"],
    weights: Float[Array, "p e c"],
    negatives: Sequence[Int[Array, "b _ w n"]],
    *,
    skip: int = 1,
    epsilon: float | int = 0.0,
    reduction: str = "mean",
) -> Float[Array, "*out"]:
    """CPC on a grid of patches: a context predicts codes of its column further down.

    loss = mean_{k,b,r,w} -log( e^{z_{r+skip+k} W_k c_r} / sum_{z'} e^{z' W_k c_r} ),
    z' over z_{r+skip+k} and the negatives

    `cpc` is the form for sequences, `cpc_v2` the one that takes all codes as negatives.

    Args:
      contexts: c, outputs of the context net, which sees the rows at or above.
      targets: z, codes of the patches.
      weights: W, one bilinear form for each of p offsets.
      negatives: for each offset k = 1 ... p, indices `[b r w n]` for its
        r = h - k - skip rows, into the codes of rows k + skip and below, flattened as
        (b, row, column); the positive may be among them.
      skip: rows left out, because overlapping patches share pixels.
      epsilon: added to the probability inside the log; Greedy InfoMax uses 1e-11, which
        caps a term at 25.3. 0 is the paper.
      reduction: "mean", or "none" for one value per offset `[p]`.

    Returns:
      A scalar, at least 0 (or `[p]`).

    Raises:
      ValueError: if the shapes do not fit or if no row is left.

    Example:
      >>> import jax.numpy as jnp
      >>> codes, weights = jnp.ones((1, 3, 1, 2)), jnp.ones((1, 2, 2))
      >>> negatives = [jnp.zeros((1, 1, 1, 3), int)]
      >>> round(float(cpc_grid(codes, codes, weights, negatives)), 4)
      1.3863

    References:
      van den Oord et al., "Representation Learning with Contrastive Predictive Coding",
      2018, arXiv:1807.03748, section 3.3.
    """
    check_rank(4, contexts=contexts, targets=targets)
    check_rank(3, weights=weights)
    batch, height, columns, width = targets.shape
    steps = weights.shape[0]
    check_shape((batch, height, columns, weights.shape[2]), contexts=contexts)
    check_shape((steps, width, contexts.shape[3]), weights=weights)
    if height - steps - skip < 1 or len(negatives) != steps:
        raise ValueError(
            f"{steps} offsets after {skip} rows need more than {height} rows and one "
            f"array of negatives each, got {len(negatives)}"
        )
    contexts, targets, weights = one_float_type(contexts, targets, weights)
    values = []
    for k in range(steps):
        below = targets[:, k + 1 + skip :]
        index = negatives[k]
        check_shape((*below.shape[:3], *index.shape[3:]), negatives=index)
        noise = below.reshape((-1, width))[index]
        logits = _scores(contexts[:, : below.shape[1]], weights[k], below, noise)
        terms = info_nce_logits(logits, reduction="none")
        if epsilon > 0:
            terms = -jnp.logaddexp(-terms, math.log(epsilon))
        values.append(jnp.mean(terms))
    return reduced(jnp.stack(values), reduction)


def cpc_v2(
    predictions: Float[Array, "p b h w d"],
    targets: Float[Array, "b h w d"],
    *,
    first: int = 2,
    reduction: str = "sum",
) -> Float[Array, "*out"]:
    """CPC v2: find the code further down among all codes of the batch.

    loss = sum_i mean_{b,r,w} -log( e^{q_irw . z_{r+i+1,w}} / sum_{z'} e^{q_irw . z'} ),
    z' over all targets

    `cpc_grid` samples its negatives; here every target of the batch is a candidate.

    Args:
      predictions: q, for each of p offsets in rows, made from the context (and scaled:
        ports of the paper use 0.1).
      targets: z, projected codes.
      first: the smallest offset; predictions[i] at row r is for row r + first + i + 1.
        The paper's patches of 80 pixels every 36 share pixels with the two rows below
        them, which are skipped; 0 where patches do not overlap.
      reduction: "sum" over offsets, as the paper; "mean", or "none" for `[p]`.

    Returns:
      A scalar, at least 0 (or `[p]`).

    Raises:
      ValueError: if the shapes do not fit or if an offset leaves no row.

    Example:
      >>> import jax.numpy as jnp
      >>> targets = jnp.ones((1, 2, 1, 3))
      >>> round(float(cpc_v2(targets[None], targets, first=0)), 4)
      0.6931

    Note:
      lightning-bolts visits offset i i times; the paper sums each offset once, from
      `first`, which is followed here.

    References:
      Henaff et al., "Data-Efficient Image Recognition with Contrastive Predictive
      Coding", 2019, arXiv:1905.09272, appendix A.2.
    """
    check_rank(4, targets=targets)
    check_shape(targets.shape, predictions=predictions[0])
    batch, height, columns, width = targets.shape
    last = first + predictions.shape[0] - 1
    if first < 0 or last > height - 2:
        raise ValueError(
            f"offsets {first} to {last} must lie in [0, {height - 2}] on {height} rows"
        )
    predictions, targets = one_float_type(predictions, targets)
    candidates = targets.reshape((-1, width))
    place = jnp.arange(candidates.shape[0]).reshape((batch, height, columns))
    values = []
    for i in range(predictions.shape[0]):
        below = first + i + 1
        query = predictions[i][:, : height - below].reshape((-1, width))
        own = place[:, below:].reshape((-1, 1)) == place.reshape((1, -1))
        logits = dot(query, candidates)
        positive = jnp.sum(jnp.where(own, logits, 0.0), axis=1)
        odds = logsumexp_but(logits, own) - positive
        values.append(jnp.mean(jax.nn.softplus(odds)))
    return reduced(jnp.stack(values), reduction)


def _scores(contexts: Array, weights: Array, positive: Array, noise: Array) -> Array:
    """Bilinear scores, the positive first: `[... c] [e c] [... e] [... n e]`."""
    prediction = jnp.einsum("...c,ec->...e", contexts, weights, precision=_FULL)
    first = inner(prediction, positive)[..., None]
    rest = jnp.einsum("...e,...ne->...n", prediction, noise, precision=_FULL)
    return jnp.concatenate([first, rest], axis=-1)
