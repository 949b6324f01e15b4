"""Adam, with weight decay coupled or decoupled."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from sslax.optim._groups import clipped
from sslax.optim._parameters import STACKED, Exclude, included, rate
from sslax.schedules import Schedule

__all__ = ["adam", "adamw"]


def adam(
    *,
    learning_rate: float,
    schedule: Schedule | None = None,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    eps_first: bool = False,
    weight_decay: float | Schedule = 0.0,
    exclude: Exclude = "none",
    stacked: Sequence[str] = STACKED,
) -> optax.GradientTransformation:
    """Adam; weight decay is coupled: added to the gradient before the moments.

    Args:
      learning_rate: peak rate.
      schedule: multiplier of the rate by step; constant by default.
      b1: decay of the first moment.
      b2: decay of the second moment.
      eps: added to the root of the second moment.
      eps_first: add it before the moment's bias is corrected, as TensorFlow does.
      weight_decay: coupled; a number, or a schedule of it.
      exclude: parameters without weight decay, see `included`.
      stacked: paths whose first axis counts layers, see `included`.

    Returns:
      An optax transformation.

    Example:
      >>> tx = adam(learning_rate=2e-4, b1=0.5)

    References:
      Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, arXiv:1412.6980,
      algorithm 1.
    """
    return optax.chain(
        optax.add_decayed_weights(weight_decay, included(exclude, stacked=stacked)),
        _scaled(b1=b1, b2=b2, eps=eps, eps_first=eps_first),
        optax.scale_by_learning_rate(rate(learning_rate, schedule)),
    )


def _scaled(*, b1: float, b2: float, eps: float, eps_first: bool = False):
    """Adam's step; with `eps_first` as TensorFlow takes it, corrections come last.

    In float32 1 - 0.999 is wrong by 1e-5, and with it every rate of the first steps:
    the corrections are computed from logarithms.
    """
    adam = optax.scale_by_adam(b1=b1, b2=b2)

    def update(gradient, state, params=None):
        _, state = adam.update(gradient, state, params)
        first, second = (_correction(b, state.count) for b in (b1, b2))

        def step(m, v):
            if eps_first:
                size = jnp.sqrt(second) / first * m / (jnp.sqrt(v) + eps)
            else:
                size = m / first / (jnp.sqrt(v / second) + eps)
            return size.astype(m.dtype)

        return jax.tree.map(step, state.mu, state.nu), state

    return optax.GradientTransformation(adam.init, update)


def _correction(decay: float, count):
    """1 - decay^count."""
    if decay == 0:
        return jnp.ones([])
    return -jnp.expm1(count * jnp.asarray(math.log(decay)))


def adamw(
    *,
    learning_rate: float,
    schedule: Schedule | None = None,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float | Schedule = 0.0,
    exclude: Exclude = "rank_one",
    clip: float | None = None,
    stacked: Sequence[str] = STACKED,
) -> optax.GradientTransformation:
    """AdamW; the decoupled decay is scaled by the rate, as in torch.

    Args:
      learning_rate: peak rate.
      schedule: multiplier of the rate by step; constant by default.
      b1: decay of the first moment.
      b2: decay of the second moment.
      eps: added to the root of the second moment.
      weight_decay: decoupled; a number, or a schedule of it (DINO: a cosine from 0.04
        to 0.4).
      exclude: parameters without weight decay, see `included`.
      clip: largest global norm of the gradient; None does not clip. For clipping by
        tensor see `clipped`.
      stacked: paths whose first axis counts layers, see `included`.

    Returns:
      An optax transformation.

    Example:
      >>> tx = adamw(learning_rate=1.5e-4, b2=0.95, weight_decay=0.05)

    References:
      Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019,
      arXiv:1711.05101, algorithm 2.
    """
    tx = optax.chain(
        _scaled(b1=b1, b2=b2, eps=eps),
        optax.add_decayed_weights(weight_decay, included(exclude, stacked=stacked)),
        optax.scale_by_learning_rate(rate(learning_rate, schedule)),
    )
    return tx if clip is None else clipped(tx, norm=clip, per="all")
