"""LARS: a rate for each layer, in the three orders in which it is found."""

from __future__ import annotations

from collections.abc import Sequence

import optax

from sslax.optim._parameters import STACKED, Exclude, included, per_layer, rate
from sslax.schedules import Schedule

__all__ = ["lars", "lars_byol", "lars_popular"]


def lars(
    *,
    learning_rate: float,
    schedule: Schedule | None = None,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float | Schedule = 0.0,
    trust: float = 0.001,
    exclude: Exclude = "rank_one",
    stacked: Sequence[str] = STACKED,
) -> optax.GradientTransformation:
    """LARS as SimCLR has it: the rate multiplies inside the momentum buffer.

    Equal to `lars_byol` at a constant rate, different under warm-up and decay.

    Args:
      learning_rate: peak rate.
      schedule: multiplier of the rate by step; constant by default.
      momentum: of the buffer.
      nesterov: look ahead.
      weight_decay: coupled; part of the gradient whose norm the trust ratio takes; a
        number, or a schedule of it.
      trust: the trust coefficient, eta.
      exclude: parameters without weight decay and trust ratio, see `included`.
      stacked: paths whose first axis counts layers, each of which has a ratio of its
        own; see `included`.

    Returns:
      An optax transformation.

    Example:
      >>> tx = lars(learning_rate=4.8, weight_decay=1e-6)

    References:
      You et al., Large Batch Training of Convolutional Networks, 2017,
      arXiv:1708.03888, algorithm 1. Chen et al., A Simple Framework for Contrastive
      Learning of Visual Representations, 2020, arXiv:2002.05709, section 2.2.

    Note:
      SimCLR's code excludes batch norm, biases and the supervised head; the last needs
      its name in `exclude`: `("rank_one", "classifier")`.
    """
    return optax.chain(
        optax.add_decayed_weights(weight_decay, included(exclude, stacked=stacked)),
        _trust_ratio(trust, exclude, stacked),
        optax.scale_by_learning_rate(rate(learning_rate, schedule)),
        optax.trace(momentum, nesterov),
    )


def lars_byol(
    *,
    learning_rate: float,
    schedule: Schedule | None = None,
    momentum: float = 0.9,
    weight_decay: float | Schedule = 0.0,
    trust: float = 0.001,
    exclude: Exclude = "rank_one",
    stacked: Sequence[str] = STACKED,
) -> optax.GradientTransformation:
    """LARS as BYOL, Barlow Twins, MoCo v3 and MAE have it: the rate is outside.

    Args:
      learning_rate: peak rate.
      schedule: multiplier of the rate by step; constant by default.
      momentum: of the buffer.
      weight_decay, trust, exclude, stacked: as in `lars`.

    Returns:
      An optax transformation.

    Example:
      >>> tx = lars_byol(learning_rate=3.2, weight_decay=1.5e-6)

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, arXiv:2006.07733, section 3.3.
    """
    return optax.chain(
        optax.add_decayed_weights(weight_decay, included(exclude, stacked=stacked)),
        _trust_ratio(trust, exclude, stacked),
        optax.trace(momentum),
        optax.scale_by_learning_rate(rate(learning_rate, schedule)),
    )


def lars_popular(
    *,
    learning_rate: float,
    schedule: Schedule | None = None,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float | Schedule = 0.0,
    trust: float = 0.001,
    exclude: Exclude = "rank_one",
    stacked: Sequence[str] = STACKED,
) -> optax.GradientTransformation:
    """LARS whose trust ratio is of the momentum buffer, not of the gradient.

    The other order in SimCLR's code, where it goes by "popular momentum".

    Args:
      learning_rate: peak rate.
      schedule: multiplier of the rate by step; constant by default.
      momentum: of the buffer.
      nesterov: look ahead.
      weight_decay, trust, exclude, stacked: as in `lars`.

    Returns:
      An optax transformation.

    Example:
      >>> tx = lars_popular(learning_rate=4.8, weight_decay=1e-6)

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, section 2.2.
    """
    return optax.chain(
        optax.add_decayed_weights(weight_decay, included(exclude, stacked=stacked)),
        optax.trace(momentum, nesterov),
        _trust_ratio(trust, exclude, stacked),
        optax.scale_by_learning_rate(rate(learning_rate, schedule)),
    )


def _trust_ratio(trust, exclude, stacked):
    ratio = optax.scale_by_trust_ratio(trust_coefficient=trust)
    return optax.masked(per_layer(ratio, stacked), included(exclude, stacked=stacked))
