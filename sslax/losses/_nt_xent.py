"""Two views of a batch against each other: every other image is a negative."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.checks import (
    check_count,
    check_positive,
    check_rank,
    check_same_features,
    check_same_shape,
)
from sslax.losses._cosine import directions
from sslax.losses._numerics import dot, inner, logsumexp_but, over_rows, reduced


def positive_and_negatives(
    z1: Array,
    z2: Array,
    more: Array | None = None,
    *,
    temperature: ArrayLike,
    normalize: bool,
    block_size: int | None,
    sharpness: Sequence[ArrayLike] = (1.0,),
) -> tuple[Array, ...]:
    """Per anchor, its positive's score and log-sum-exps of its negatives' scores.

    The anchors are the rows of z1, then those of z2; the negatives of an anchor are all
    2b - 2 vectors of other images, and the n of `more`.

    Returns:
      The positive's score `[2b]`, then for each sharpness c the log of the sum over the
      negatives of `exp(c * score)` `[2b]`.
    """
    count = z1.shape[0]
    z1, z2 = directions(z1, z2, normalize=normalize)
    anchors = jnp.concatenate([z1, z2])
    positive = inner(z1, z2) / temperature
    image, others = jnp.arange(2 * count) % count, anchors
    if more is not None:
        others = jnp.concatenate([anchors, *directions(more, normalize=normalize)])
        image = jnp.concatenate([image, jnp.full(len(more), -1)])  # of no image here

    def rows(anchor, index):
        own = (index % count)[:, None] == image[None, :]
        logits = dot(anchor, others) / temperature
        return tuple(logsumexp_but(c * logits, own) for c in sharpness)

    negatives = over_rows(rows, anchors, block_size=block_size)
    return jnp.concatenate([positive, positive]), *negatives


def check_pair(z1: Array, z2: Array, temperature: ArrayLike) -> None:
    """Raises ValueError unless z1 and z2 are two views of a batch of two or more."""
    check_rank(2, z1=z1, z2=z2)
    check_same_shape(z1=z1, z2=z2)
    check_count(2, z1=z1)
    check_positive(temperature=temperature)


def nt_xent(
    z1: Float[Array, "b d"],
    z2: Float[Array, "b d"],
    negatives: Float[Array, "n d"] | None = None,
    *,
    temperature: ArrayLike,
    normalize: bool = True,
    reduction: str = "mean",
    block_size: int | None = None,
) -> Float[Array, "*out"]:
    """SimCLR's normalised, temperature-scaled cross-entropy over 2b anchors.

    loss = mean_i -log( e^{s_ip/t} / sum_{j != i} e^{s_ij/t} ), s = cosine

    Each of the 2b projections is told to find the other view of its image among the
    2b - 1 other projections; the positive is in the denominator, the anchor is not.
    `info_nce` has one direction and no negatives from the anchor's own view; `supcon`
    adds positives by label, `debiased_nt_xent` corrects for false negatives.

    Args:
      z1: projections of the first views, any length (they are normalised here).
      z2: projections of the second views, in the same order.
      negatives: more negatives for every anchor, such as a queue; a method stops their
        gradient.
      temperature: above 0; SimCLR uses 0.1 on ImageNet and 0.5 on CIFAR-10.
      normalize: False takes the vectors as they are, for unit vectors.
      reduction: "mean", or "none" for one value per anchor `[2b]`, z1 first.
      block_size: anchors in a block; the similarity matrix is then never whole in
        memory, in either pass. None computes it at once.

    Returns:
      A scalar, at least 0 (or `[2b]`).

    Raises:
      ValueError: if shapes differ, if b < 2, or if the temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.eye(4)
      >>> round(float(nt_xent(z, z, temperature=1.0)), 4)
      1.1654
      >>> round(float(nt_xent(z, z, -z, temperature=1.0)), 4)
      1.4921

    Note:
      This is the paper's mean over 2b anchors. The official code returns the sum of the
      means of the two views, which is 2 times this number.

    References:
      Chen et al., "A Simple Framework for Contrastive Learning of Visual
      Representations", 2020, arXiv:2002.05709, equation 1.
    """
    check_pair(z1, z2, temperature)
    if negatives is not None:
        check_rank(2, negatives=negatives)
        check_same_features(z1=z1, negatives=negatives)
    options = {"normalize": normalize, "block_size": block_size}
    positive, odds = positive_and_negatives(
        z1, z2, negatives, temperature=temperature, **options
    )
    return reduced(jax.nn.softplus(odds - positive), reduction)


def flat_nce(
    z1: Float[Array, "b d"],
    z2: Float[Array, "b d"],
    *,
    temperature: ArrayLike,
    normalize: bool = True,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """FlatNCE: the gradient of the negatives' log-odds, under the value of NT-Xent.

    gradient = mean_i grad v_i, v_i = log sum_{negatives n} e^{(s_in - s_ip)/t}

    The softmax over the negatives stays normalised when the positive wins, so that
    small batches keep a gradient where that of `nt_xent` dies in rounding: there it is
    the mean of sigmoid(v_i) grad v_i.

    Args:
      z1: projections of the first views, any length (they are normalised here).
      z2: projections of the second views, in the same order.
      temperature: above 0.
      normalize: False takes the vectors as they are, for unit vectors.
      block_size: anchors in a block, see `nt_xent`.

    Returns:
      A scalar with the value of `nt_xent` and the gradient of FlatNCE. (The paper's own
      expression is 1 for any input; the value here says how training goes.)

    Raises:
      ValueError: if shapes differ, if b < 2, or if the temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.eye(4)
      >>> round(float(flat_nce(z, z, temperature=1.0)), 4)
      1.1654

    Note:
      The loss is defined through a stop-gradient: exp(v - stop(v)), whose gradient is
      that of v. As in the official code the value reported is that of NT-Xent.

    References:
      Chen et al., "Simpler, Faster, Stronger: Breaking The log-K Curse On Contrastive
      Learners With FlatNCE", 2021, arXiv:2107.01152, equation 8.
    """
    check_pair(z1, z2, temperature)
    positive, negatives = positive_and_negatives(
        z1, z2, temperature=temperature, normalize=normalize, block_size=block_size
    )
    log_odds = negatives - positive
    value = jax.lax.stop_gradient(jax.nn.softplus(log_odds))
    return jnp.mean(log_odds - jax.lax.stop_gradient(log_odds) + value)
