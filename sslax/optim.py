"""Optimizers as the recipes use them: optax's parts, with the field's exclusions.

Each takes a peak `learning_rate` and a `schedule` that multiplies it, so that the rate
is one number in a config. `exclude` says which parameters have no weight decay (and,
under LARS, no trust ratio).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import jax
import optax

from sslax.schedules import Schedule, constant

__all__ = ["adamw", "included", "lars", "lars_byol", "sgd"]

Exclude = str | Sequence[str]


def included(exclude: Exclude) -> Callable:
    """A mask over parameters: True where weight decay and trust ratio apply.

    Args:
      exclude: "none" excludes nothing; "rank_one" excludes what has at most one axis
        (biases, norm scales); otherwise regular expressions searched in the path, such
        as `("bias", "scale", "cls_token")`.

    Returns:
      `params -> tree of bool`.

    Raises:
      ValueError: if `exclude` is another word.

    Example:
      >>> import jax.numpy as jnp
      >>> params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
      >>> included("rank_one")(params)
      {'bias': False, 'kernel': True}
    """
    if isinstance(exclude, str):
        if exclude not in ("none", "rank_one"):
            raise ValueError(
                f"exclude must be 'none', 'rank_one' or a list of regular expressions; "
                f"got {exclude!r}"
            )
        least = 0 if exclude == "none" else 2
        return lambda params: jax.tree.map(lambda p: p.ndim >= least, params)
    patterns = [re.compile(p) for p in exclude]

    def mask(params):
        return jax.tree_util.tree_map_with_path(
            lambda path, _: (
                not any(
                    p.search(jax.tree_util.keystr(path, simple=True, separator="/"))
                    for p in patterns
                )
            ),
            params,
        )

    return mask


def sgd(
    *,
    learning_rate: float,
    schedule: Schedule | None = None,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    exclude: Exclude = "none",
) -> optax.GradientTransformation:
    """SGD with momentum and coupled weight decay, as torch has it.

    Args:
      learning_rate: peak rate.
      schedule: multiplier of the rate by step; constant by default.
      momentum: of the buffer.
      nesterov: look ahead.
      weight_decay: added to the gradient before the momentum, times the parameter.
      exclude: parameters without weight decay, see `included`.

    Returns:
      An optax transformation.

    Example:
      >>> tx = sgd(learning_rate=0.03, weight_decay=1e-4)
    """
    return optax.chain(
        optax.add_decayed_weights(weight_decay, included(exclude)),
        optax.sgd(_rate(learning_rate, schedule), momentum, nesterov),
    )


def lars(
    *,
    learning_rate: float,
    schedule: Schedule | None = None,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    trust: float = 0.001,
    exclude: Exclude = "rank_one",
) -> optax.GradientTransformation:
    """LARS as SimCLR has it: the rate multiplies inside the momentum buffer.

    Equal to `lars_byol` at a constant rate, different under warm-up and decay.

    Args:
      learning_rate: peak rate.
      schedule: multiplier of the rate by step; constant by default.
      momentum: of the buffer.
      weight_decay: coupled; part of the gradient whose norm the trust ratio takes.
      trust: the trust coefficient, eta.
      exclude: parameters without weight decay and trust ratio, see `included`.

    Returns:
      An optax transformation.

    Example:
      >>> tx = lars(learning_rate=4.8, weight_decay=1e-6)

    References:
      You et al., Large Batch Training of Convolutional Networks, 2017,
      arXiv:1708.03888, algorithm 1.
    """
    return optax.lars(
        _rate(learning_rate, schedule),
        weight_decay,
        included(exclude),
        trust_coefficient=trust,
        trust_ratio_mask=included(exclude),
        momentum=momentum,
    )


def lars_byol(
    *,
    learning_rate: float,
    schedule: Schedule | None = None,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    trust: float = 0.001,
    exclude: Exclude = "rank_one",
) -> optax.GradientTransformation:
    """LARS as BYOL, Barlow Twins and MoCo v3 have it: the rate is outside the buffer.

    Args:
      learning_rate: peak rate.
      schedule: multiplier of the rate by step; constant by default.
      momentum: of the buffer.
      weight_decay: coupled; part of the gradient whose norm the trust ratio takes.
      trust: the trust coefficient, eta.
      exclude: parameters without weight decay and trust ratio, see `included`.

    Returns:
      An optax transformation.

    Example:
      >>> tx = lars_byol(learning_rate=3.2, weight_decay=1.5e-6)

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, arXiv:2006.07733, section 3.3.
    """
    mask = included(exclude)
    return optax.chain(
        optax.add_decayed_weights(weight_decay, mask),
        optax.masked(optax.scale_by_trust_ratio(trust_coefficient=trust), mask),
        optax.trace(momentum),
        optax.scale_by_learning_rate(_rate(learning_rate, schedule)),
    )


def adamw(
    *,
    learning_rate: float,
    schedule: Schedule | None = None,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    exclude: Exclude = "rank_one",
    clip: float | None = None,
) -> optax.GradientTransformation:
    """AdamW; the decoupled decay is scaled by the rate, as in torch.

    Args:
      learning_rate: peak rate.
      schedule: multiplier of the rate by step; constant by default.
      b1: decay of the first moment.
      b2: decay of the second moment.
      eps: added to the root of the second moment.
      weight_decay: decoupled.
      exclude: parameters without weight decay, see `included`.
      clip: largest global norm of the gradient; None does not clip.

    Returns:
      An optax transformation.

    Example:
      >>> tx = adamw(learning_rate=1.5e-4, b2=0.95, weight_decay=0.05)

    References:
      Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019,
      arXiv:1711.05101, algorithm 2.
    """
    tx = optax.adamw(
        _rate(learning_rate, schedule),
        b1=b1,
        b2=b2,
        eps=eps,
        weight_decay=weight_decay,
        mask=included(exclude),
    )
    return tx if clip is None else optax.chain(optax.clip_by_global_norm(clip), tx)


def _rate(learning_rate: float, schedule: Schedule | None):
    multiplier = constant() if schedule is None else schedule
    return lambda step: learning_rate * multiplier(step)
