"""LAMB: Adam with a rate for each layer."""

from __future__ import annotations

from collections.abc import Sequence

import optax

from sslax.optim._parameters import STACKED, Exclude, included, per_layer, rate
from sslax.schedules import Schedule

__all__ = ["lamb"]


def lamb(
    *,
    learning_rate: float,
    schedule: Schedule | None = None,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-6,
    weight_decay: float | Schedule = 0.0,
    exclude: Exclude = "rank_one",
    stacked: Sequence[str] = STACKED,
) -> optax.GradientTransformation:
    """LAMB: the step of AdamW, scaled to the norm of the parameter, layer by layer.

    Args:
      learning_rate: peak rate.
      schedule: multiplier of the rate by step; constant by default.
      b1: decay of the first moment.
      b2: decay of the second moment.
      eps: added to the root of the second moment.
      weight_decay: decoupled; part of the step whose norm the trust ratio takes; a
        number, or a schedule of it.
      exclude: parameters without weight decay and trust ratio, see `included`.
      stacked: paths whose first axis counts layers, each of which has a ratio of its
        own; see `included`.

    Returns:
      An optax transformation.

    Example:
      >>> tx = lamb(learning_rate=5e-3, weight_decay=0.02)

    References:
      You et al., Large Batch Optimization for Deep Learning: Training BERT in 76
      minutes, 2020, arXiv:1904.00962, algorithm 2.

    Note:
      timm's LAMB clips the global norm at 1 as well:
      `clipped(lamb(...), norm=1.0, per="all")`.
    """
    mask = included(exclude, stacked=stacked)
    return optax.chain(
        optax.scale_by_adam(b1=b1, b2=b2, eps=eps),
        optax.add_decayed_weights(weight_decay, mask),
        optax.masked(per_layer(optax.scale_by_trust_ratio(), stacked), mask),
        optax.scale_by_learning_rate(rate(learning_rate, schedule)),
    )
