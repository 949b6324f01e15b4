"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence

import optax

from sslax.optim._parameters import STACKED, Exclude, included, rate
from sslax.schedules import Schedule

__all__ = ["sgd"]


def sgd(
    *,
    learning_rate: float,
    schedule: Schedule | None = None,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float | Schedule = 0.0,
    exclude: Exclude = "none",
    stacked: Sequence[str] = STACKED,
) -> optax.GradientTransformation:
    """SGD with momentum and coupled weight decay, as torch has it.

    Args:
      learning_rate: peak rate.
      schedule: multiplier of the rate by step; constant by default.
      momentum: of the buffer.
      nesterov: look ahead.
      weight_decay: added to the gradient before the momentum, times the parameter; a
        number, or a schedule of it.
      exclude: parameters without weight decay, see `included`.
      stacked: paths whose first axis counts layers, see `included`.

    Returns:
      An optax transformation.

    Example:
      >>> tx = sgd(learning_rate=0.03, weight_decay=1e-4)
    """
    return optax.chain(
        optax.add_decayed_weights(weight_decay, included(exclude, stacked=stacked)),
        optax.sgd(rate(learning_rate, schedule), momentum, nesterov),
    )
