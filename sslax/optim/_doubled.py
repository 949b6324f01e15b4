"""Two steps on one gradient."""

from __future__ import annotations

import jax
import optax

from sslax.optim._groups import grouped
from sslax.optim._parameters import Exclude

__all__ = ["doubled"]


def doubled(
    optimizer: optax.GradientTransformation, *, match: Exclude
) -> optax.GradientTransformation:
    """Steps some parameters twice on one gradient, each time with moments of its own.

    First what matches, by itself; then all, on the same gradient.

    Args:
      optimizer: of both steps.
      match: what is stepped twice: regular expressions of the paths, or "rank_one", see
        `included`. CURL: `("^encoder/", "^head/")`.

    Returns:
      An optax transformation.

    Raises:
      ValueError: at init, if no parameter matches.

    Example:
      >>> from sslax import optim
      >>> tx = doubled(optim.adam(learning_rate=1e-3), match=("^encoder/",))

    References:
      Laskin et al., CURL: Contrastive Unsupervised Representations for Reinforcement
      Learning, 2020, arXiv:2004.04136 (released code: `update_cpc`).
    """
    first = grouped(optax.set_to_zero(), others=((match, optimizer),))

    def init(params):
        return first.init(params), optimizer.init(params)

    def update(gradient, state, params=None):
        once, before = first.update(gradient, state[0], params)
        between = params if params is None else optax.apply_updates(params, once)
        again, after = optimizer.update(gradient, state[1], between)
        return jax.tree.map(lambda a, b: a + b, once, again), (before, after)

    return optax.GradientTransformation(init, update)
