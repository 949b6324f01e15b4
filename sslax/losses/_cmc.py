"""Contrast of several views, each with a memory bank of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from sslax.checks import check_same_shape
from sslax.losses._info_nce import info_nce_logits
from sslax.losses._nce import bank_scores, nce


def cmc_scores(
    views: Sequence[Float[Array, "b d"]],
    banks: Sequence[Float[Array, "n d"]],
    index: Int[Array, "b k"],
    *,
    temperature: ArrayLike,
    core: bool = False,
) -> Float[Array, "p b k"]:
    """Scores of every view against the banks of the others.

    value_uvik = x_ui . bank_v[index_ik] / t

    A bank may be the other view itself: then the scores are those of the batch.

    Args:
      views: unit vectors of each of two or more views; not normalised here.
      banks: one bank of unit vectors per view.
      index: rows of the banks, the own image first, in [0, n).
      temperature: above 0; the paper uses 0.07.
      core: pair view 0 with each other view, in both directions, instead of all pairs.

    Returns:
      Scores of ordered pairs, in the order (0, 1), (0, 2) ... (1, 0) ..., those that do
      not occur left out.

    Raises:
      ValueError: if views and banks do not fit in number or shape.

    Example:
      >>> import jax.numpy as jnp
      >>> index, z = jnp.array([[0, 1], [1, 0]]), jnp.eye(2)
      >>> cmc_scores((z, z), (z, z), index, temperature=1.0)[0].tolist()
      [[1.0, 0.0], [1.0, 0.0]]

    References:
      Tian, Krishnan and Isola, "Contrastive Multiview Coding", 2019, arXiv:1906.05849,
      equation 3 and figure 3.
    """
    count = len(views)
    if count < 2 or count != len(banks):
        raise ValueError(
            f"expected one bank for each of two or more views, got {count} views "
            f"and {len(banks)} banks"
        )
    check_same_shape(**{f"bank_{i}": bank for i, bank in enumerate(banks)})
    every = [(i, j) for i in range(count) for j in range(count) if i != j]
    scores = [
        bank_scores(views[i], banks[j], index, temperature=temperature)
        for i, j in every
        if not core or 0 in (i, j)
    ]
    return jnp.stack(scores)


def cmc(
    views: Sequence[Float[Array, "b d"]],
    banks: Sequence[Float[Array, "n d"]],
    index: Int[Array, "b k"],
    *,
    temperature: ArrayLike,
    core: bool = False,
    log_constants: Sequence[ArrayLike] | None = None,
    epsilon: float | int = 1e-7,
) -> Float[Array, ""]:
    """Contrastive multiview coding: every view against the banks of the others.

    loss = sum_{(u, v)} contrast(x_u, bank_v)

    The contrast is `info_nce_logits` of `cmc_scores`; with `log_constants` it is `nce`
    of them with uniform noise. All entries of a row share one set of images.

    Args:
      views: unit vectors of each of two or more views; not normalised here.
      banks: one bank of unit vectors per view, without gradient.
      index: rows of the banks, the own image first, then noise, in [0, n).
      temperature: above 0; the paper uses 0.07.
      core: pair view 0 with each other view, in both directions, instead of all pairs.
      log_constants: log Z of every ordered pair, in the order of `cmc_scores`; None is
        the softmax contrast.
      epsilon: of `nce`; the official code uses 1e-7.

    Returns:
      A scalar, at least 0: the sum (not the mean) over ordered pairs.

    Raises:
      ValueError: if views, banks and constants do not fit in number or shape.

    Example:
      >>> import jax.numpy as jnp
      >>> index, z = jnp.array([[0, 1], [1, 0]]), jnp.eye(2)
      >>> round(float(cmc((z, z), (z, z), index, temperature=1.0)), 4)
      0.6265

    References:
      Tian, Krishnan and Isola, "Contrastive Multiview Coding", 2019, arXiv:1906.05849,
      equations 3, 6 and 7.
    """
    scores = cmc_scores(views, banks, index, temperature=temperature, core=core)
    if log_constants is None:
        return sum(map(info_nce_logits, scores))
    if len(log_constants) != len(scores):
        raise ValueError(f"expected {len(scores)} constants, got {len(log_constants)}")
    log_noise = math.log((index.shape[1] - 1) / banks[0].shape[0])
    return sum(
        nce(s, log_noise=log_noise, log_constant=z, epsilon=epsilon)
        for s, z in zip(scores, log_constants, strict=True)
    )
