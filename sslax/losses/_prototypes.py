"""Assignments to prototypes: balanced by Sinkhorn, and swapped between views."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32, one_float_type
from sslax.checks import check_count, check_positive, check_rank


def sinkhorn(
    scores: Float[Array, "b k"], *, epsilon: ArrayLike = 0.05, iterations: int = 3
) -> Float[Array, "b k"]:
    """Soft assignments of samples to prototypes that use all prototypes alike.

    value = b diag(u) e^{scores/epsilon} diag(v), with marginals 1/b and 1/k

    The codes of `swav`: the transport plan with entropy, by alternating normalisation,
    prototypes first and samples last. With a queue, give the scores of
    `concatenate([queue, batch])` and keep the batch's rows.

    Args:
      scores: cosines of samples and prototypes; the method stops their gradient.
      epsilon: weight of the entropy, above 0; small is sharp. SwAV uses 0.05.
      iterations: rounds; SwAV uses 3.

    Returns:
      Assignments: each row sums to 1; each column to b / k, the closer the more rounds.

    Raises:
      ValueError: if epsilon is not positive or there is no round or no sample.

    Example:
      >>> import jax.numpy as jnp
      >>> sinkhorn(jnp.array([[1.0, 0.0], [1.0, 0.0]])).tolist()
      [[0.5, 0.5], [0.5, 0.5]]

    Note:
      Computed on logarithms; the official code exponentiates the scores, which
      overflows float32 where score / epsilon is above 88.

    References:
      Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster
      Assignments", 2020, arXiv:2006.09882, equations 3 to 5.
      Cuturi, "Sinkhorn Distances", 2013, arXiv:1306.0895, algorithm 1.
    """
    check_rank(2, scores=scores)
    check_count(1, scores=scores)
    check_positive(epsilon=epsilon)
    if iterations < 1:
        raise ValueError(f"iterations must be 1 or more, got {iterations}")
    scores = at_least_float32(scores)

    def round_(_, log_plan):
        log_plan -= jax.nn.logsumexp(log_plan, axis=0, keepdims=True)
        return log_plan - jax.nn.logsumexp(log_plan, axis=1, keepdims=True)

    return jnp.exp(jax.lax.fori_loop(0, iterations, round_, scores / epsilon))


def swav(
    scores: Float[Array, "v b k"],
    assignments: Float[Array, "a b k"],
    *,
    temperature: ArrayLike,
    assigned: Sequence[int] | None = None,
) -> Float[Array, ""]:
    """SwAV's swapped prediction: each view predicts the codes of the others.

    loss = mean_a 1/(v-1) sum_{v != a} mean_b -sum_k q_abk log softmax_k(s_vbk / t)

    `dino` is the same pairing with a teacher's softmax in place of `sinkhorn`.

    Args:
      scores: cosines of the samples of v views and the k prototypes.
      assignments: q, `sinkhorn` of the scores of a views; the method stops their
        gradient.
      temperature: above 0; the paper uses 0.1.
      assigned: the views that the assignments belong to; None is the first a.

    Returns:
      A scalar, at least 0.

    Raises:
      ValueError: if the shapes do not fit, if there are fewer than two views, or if the
        temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> scores = jnp.zeros((2, 3, 4))
      >>> codes = jnp.full((2, 3, 4), 0.25)
      >>> round(float(swav(scores, codes, temperature=0.1)), 4)
      1.3863

    References:
      Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster
      Assignments", 2020, arXiv:2006.09882, equations 1, 2 and 6.
    """
    check_rank(3, scores=scores, assignments=assignments)
    check_positive(temperature=temperature)
    views, codes = scores.shape[0], assignments.shape[0]
    assigned = tuple(range(codes)) if assigned is None else tuple(assigned)
    if views < 2 or scores.shape[1:] != assignments.shape[1:]:
        raise ValueError(
            f"scores {scores.shape} need two views or more and the samples and "
            f"prototypes of the assignments {assignments.shape}"
        )
    if len(assigned) != codes or not all(0 <= a < views for a in assigned):
        raise ValueError(
            f"assigned {assigned} must name {codes} of the {views} views, one for each "
            "row of the assignments"
        )
    scores, assignments = one_float_type(scores, assignments)
    log_p = jax.nn.log_softmax(scores / temperature, axis=-1)
    return sum(
        paired_cross_entropy(assignments[row][None], log_p, [view])
        for row, view in enumerate(assigned)
    ) / len(assigned)


def paired_cross_entropy(q: Array, log_p: Array, own: Sequence[int]) -> Array:
    """The mean over pairs of views of `-sum_k q log p`, own views left out.

    Args:
      q: targets, `[a b k]`.
      log_p: log-probabilities, `[v b k]`.
      own: for each target, the view that it comes from; beyond v where it has none.
    """
    # Row sums of p over all views, then the own view taken out, would cancel digits.
    other = jnp.asarray(own)[:, None] != jnp.arange(log_p.shape[0])[None, :]
    pairs = sum(log_p.shape[0] - (0 <= view < log_p.shape[0]) for view in own)
    full = jax.lax.Precision.HIGHEST
    summed = jnp.einsum("av,vbk->abk", other.astype(log_p.dtype), log_p, precision=full)
    return -jnp.sum(q * summed) / (pairs * log_p.shape[1])
