"""LARC: LARS as apex has it."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from sslax.optim._parameters import STACKED, Exclude, finder, included, rate, walk
from sslax.schedules import Schedule

__all__ = ["larc"]


def larc(
    *,
    learning_rate: float,
    schedule: Schedule | None = None,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    trust: float = 0.001,
    clip: bool = False,
    eps: float = 1e-8,
    exclude: Exclude = "none",
    stacked: Sequence[str] = STACKED,
) -> optax.GradientTransformation:
    """LARC around SGD, the optimizer of SwAV: t = trust |w| / (|g| + decay |w| + eps).

    The norm is of the gradient before the decay; the gradient with its decay is scaled
    by t. A tensor whose norm, or whose gradient's norm, is zero has neither.

    Args:
      learning_rate: peak rate.
      schedule: multiplier of the rate by step; constant by default.
      momentum: of the buffer, which the rate multiplies from outside.
      weight_decay: coupled.
      trust: the trust coefficient.
      clip: t is at most the rate: t <- min(t / rate, 1). solo-learn's LARS is this with
        `trust=0.02, exclude="rank_one"`; its rates belong to it.
      eps: added to the denominator.
      exclude: parameters without weight decay and scaling, see `included`.
      stacked: paths whose first axis counts layers, each of which has a ratio of its
        own; see `included`.

    Returns:
      An optax transformation.

    Example:
      >>> tx = larc(learning_rate=4.8, weight_decay=1e-6)

    References:
      You et al., Large Batch Training of Convolutional Networks, 2017,
      arXiv:1708.03888. Caron et al., Unsupervised Learning of Visual Features by
      Contrasting Cluster Assignments, 2020, arXiv:2006.09882, appendix A.
    """
    by_step = rate(learning_rate, schedule)
    is_stacked = finder(stacked)
    mask = included(exclude, stacked=stacked)

    def scaled(step):
        def one(gradient, param):
            size, length = _norm(param), _norm(gradient)
            ratio = trust * size / (length + weight_decay * size + eps)
            if clip:
                ratio = jnp.minimum(ratio / by_step(step), 1.0).astype(ratio.dtype)
            both = (size > 0) & (length > 0)
            return jnp.where(both, ratio * (gradient + weight_decay * param), gradient)

        def leaf(path, gradient, param, adapted):
            if gradient is None or not adapted:
                return gradient
            return (jax.vmap(one) if is_stacked(path) else one)(gradient, param)

        return leaf

    def init(params):
        del params
        return optax.ScaleByScheduleState(count=jnp.zeros([], jnp.int32))

    def update(updates, state, params=None):
        updates = walk(scaled(state.count), updates, params, mask(updates))
        return updates, optax.ScaleByScheduleState(count=state.count + 1)

    return optax.chain(
        optax.GradientTransformation(init, update), optax.sgd(by_step, momentum)
    )


def _norm(x):
    return jnp.sqrt(jnp.sum(jnp.square(x)))
