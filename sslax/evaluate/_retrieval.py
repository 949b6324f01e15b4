"""Retrieval: is what is near also alike? By label, and between paired modalities."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sslax.arrays import unit
from sslax.checks import check_positive
from sslax.evaluate._checks import Features, Labels, check_features


@functools.partial(jax.jit, static_argnames=("chunk",))
def _ranked(points, labels, *, chunk):
    """For every row: which of the others, nearest first, have its label."""

    def one(given):
        own, row, label = given
        cosine = jnp.matmul(points, row, precision=jax.lax.Precision.HIGHEST)
        order = jnp.argsort(-jnp.where(jnp.arange(len(points)) == own, -2.0, cosine))
        hit = (labels[order] == label)[:-1]  # the row itself comes last
        ranks = jnp.arange(1, len(points))
        precision = jnp.cumsum(hit) / ranks
        count = jnp.sum(hit)
        average = jnp.sum(hit * precision) / jnp.maximum(count, 1)
        return average, count, jnp.where(count > 0, jnp.argmax(hit), len(points))

    rows = jnp.arange(len(points))
    return jax.lax.map(one, (rows, points, labels), batch_size=chunk)


def retrieval(
    features: Features,
    labels: Labels,
    *,
    recall: Sequence[int] = (1, 5, 10),
    chunk: int = 64,
) -> dict[str, float]:
    """Every row asks for the rows of its label among all others.

    Args:
      features: [n d].
      labels: [n]; rows below 0 have none and are left out, as queries and as answers.
      recall: the numbers K of `recall@K`.
      chunk: queries at a time; memory is about 20 * chunk * n bytes.

    Returns:
      Percent: `recall@K`, the queries with a row of their label among the K of highest
      cosine; `mAP`, the mean over queries of average precision. Queries whose label no
      other row has are left out.

    Raises:
      ValueError: for shapes that do not fit, or labels that no two rows share.

    Example:
      >>> x = np.asarray([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
      >>> retrieval(x, np.asarray([0, 0, 1, 1]), recall=(1,))
      {'recall@1': 100.0, 'mAP': 100.0}

    References:
      Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, 2016,
      arXiv:1511.06452, section 6 (recall@K).
    """
    check_features(features=features)
    if labels.shape != (features.shape[0],):
        raise ValueError(
            f"labels must be [{features.shape[0]}], got shape {tuple(labels.shape)}"
        )
    check_positive(chunk=chunk, **{f"recall@{k}": k for k in recall})
    known = np.asarray(labels) >= 0
    x, y = np.asarray(features)[known], np.asarray(labels)[known]
    if len(np.unique(y)) == len(y):
        raise ValueError(
            f"no two of the {len(y)} labelled rows share a label: nothing to retrieve"
        )
    points = unit(x)
    average, count, first = _ranked(points, jnp.asarray(y), chunk=min(chunk, len(y)))
    asked = np.asarray(count) > 0
    first, average = np.asarray(first)[asked], np.asarray(average)[asked]
    numbers = {f"recall@{k}": 100.0 * float(np.mean(first < k)) for k in recall}
    return numbers | {"mAP": 100.0 * float(np.mean(average))}


@functools.partial(jax.jit, static_argnames=("chunk",))
def _rank_of_partner(queries, bank, *, chunk):
    def one(given):
        own, row = given
        cosine = jnp.matmul(bank, row, precision=jax.lax.Precision.HIGHEST)
        # A tie is lost: a collapsed network retrieves nothing.
        return jnp.sum(cosine >= cosine[own]) - 1

    return jax.lax.map(one, (jnp.arange(len(queries)), queries), batch_size=chunk)


def pair_recall(
    queries: Features,
    bank: Features,
    *,
    recall: Sequence[int] = (1, 5, 10),
    chunk: int = 512,
) -> dict[int, Float[Array, ""]]:
    """Row i of one modality asks for row i of the other.

    Args:
      queries: [n d], such as features of images.
      bank: [n d], such as features of their texts.
      recall: the numbers K.
      chunk: queries at a time; memory is about chunk * n * 4 bytes.

    Returns:
      By K: percent of queries whose partner is among the K rows of highest cosine. Of
      equal cosines the partner comes last.

    Raises:
      ValueError: for shapes that do not fit.

    Example:
      >>> x = np.eye(4)
      >>> {k: float(v) for k, v in pair_recall(x, x[::-1], recall=(1, 4)).items()}
      {1: 0.0, 4: 100.0}

    References:
      Radford et al., Learning Transferable Visual Models From Natural Language
      Supervision, 2021, arXiv:2103.00020, table 13.
    """
    check_features(queries=queries, bank=bank)
    if queries.shape != bank.shape:
        raise ValueError(
            "pairs stand in the same rows, got shapes "
            f"{tuple(queries.shape)} and {tuple(bank.shape)}"
        )
    rank = _rank_of_partner(unit(queries), unit(bank), chunk=min(chunk, len(queries)))
    return {k: 100.0 * jnp.mean(rank < k) for k in recall}
