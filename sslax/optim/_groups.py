"""Optimizers made of others: clipping, freezing, groups of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from sslax.optim._parameters import STACKED, Exclude, included, per_layer, walk

__all__ = ["clipped", "frozen", "grouped"]


def clipped(
    optimizer: optax.GradientTransformation,
    *,
    norm: float,
    per: str = "tensor",
    running: bool = False,
    stacked: Sequence[str] = STACKED,
) -> optax.GradientTransformation:
    """Clips the gradient by its norm, then goes on with `optimizer`.

    Args:
      optimizer: what takes the clipped gradient.
      norm: the largest norm.
      per: "tensor" clips every tensor by its own norm (DINO, iBOT), "all" the whole
        gradient by its global norm (BEiT, SimMIM).
      running: also clips what micro-batches have added up to before the next one is
        added (SimMIM), which only the outermost optimizer can.
      stacked: paths whose first axis counts layers, each of which is a tensor of its
        own; see `included`.

    Returns:
      An optax transformation.

    Raises:
      ValueError: if `per` is another word, or the norm is not positive.

    Example:
      >>> from sslax import optim
      >>> tx = clipped(optim.adamw(learning_rate=5e-4), norm=3.0)

    References:
      Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021,
      arXiv:2104.14294. Pascanu et al., On the difficulty of training recurrent neural
      networks, 2013, arXiv:1211.5063, algorithm 1.

    Note:
      The factor is norm / (length + 1e-6), as the official codes have it from torch.
    """
    if norm <= 0:
        raise ValueError(f"norm must be positive; got {norm}")
    if per not in ("tensor", "all"):
        raise ValueError(f"per must be 'tensor' or 'all'; got {per!r}")
    whole = optax.stateless(lambda gradient, _: _shortened(gradient, norm))
    clip = whole if per == "all" else per_layer(whole, stacked)
    tx = optax.chain(clip, optimizer)
    return _clips_between(clip, tx) if running else tx


def _clips_between(clip, tx):
    """The same, whose update has what `sslax.step` does between micro-batches."""

    def update(gradient, state, params=None):
        return tx.update(gradient, state, params)

    def between(mean):
        return clip.update(mean, optax.EmptyState(), mean)[0]

    update.__dict__["between"] = between
    return optax.GradientTransformation(tx.init, update)


def _shortened(gradient, norm):
    """A tensor, or a tree of them as a whole, that is at most so long."""
    factor = jnp.minimum(norm / (optax.tree.norm(gradient) + 1e-6), 1.0)
    return jax.tree.map(lambda g: g * factor.astype(g.dtype), gradient)


def frozen(
    optimizer: optax.GradientTransformation,
    *,
    match: Exclude,
    steps: int | None = None,
) -> optax.GradientTransformation:
    """Leaves some parameters alone, for the first `steps` or for good.

    They have no update at all: no decay, and their moments do not move. After that they
    start as at step 0, but at the rate of the schedule's present step.

    Args:
      optimizer: what updates the rest.
      match: regular expressions of the paths, or "rank_one", see `included`. DINO:
        `("prototypes",)` for an epoch; MoCo v3: `("patch_embed",)` for good.
      steps: how long; None is for good, and keeps no state for them.

    Returns:
      An optax transformation.

    Raises:
      ValueError: at init, if no parameter matches.

    Example:
      >>> from sslax import optim
      >>> tx = optim.adamw(learning_rate=1.5e-4, weight_decay=0.1, exclude="none")
      >>> tx = frozen(tx, match=("patch_embed",))

    References:
      Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021,
      arXiv:2104.14294. Chen et al., An Empirical Study of Training Self-Supervised
      Vision Transformers, 2021, arXiv:2104.02057, section 4.

    Note:
      `optimizer` runs once for each of the two groups. A global norm is of all
      parameters only if the clipping stands outside:
      `clipped(frozen(...), norm=3.0, per="all")`.
    """
    held = optax.set_to_zero() if steps is None else _held(optimizer, steps)
    return _partition(optimizer, [(match, held)])


def grouped(
    optimizer: optax.GradientTransformation,
    *,
    others: Sequence[tuple[Exclude, optax.GradientTransformation]],
) -> optax.GradientTransformation:
    """Different optimizers for different parameters.

    Args:
      optimizer: for what no pattern matches.
      others: pairs of a match, as in `included`, and its optimizer; the first that
        matches counts. Barlow Twins has one rate for matrices and another for
        "rank_one"; SimSiam keeps the rate of the predictor constant.

    Returns:
      An optax transformation.

    Raises:
      ValueError: at init, if a match has no parameter.

    Example:
      >>> from sslax import optim
      >>> small = optim.lars_byol(learning_rate=0.0048 * 8)
      >>> large = optim.lars_byol(learning_rate=0.2 * 8, weight_decay=1e-6)
      >>> tx = grouped(large, others=(("rank_one", small),))

    References:
      Zbontar et al., Barlow Twins: Self-Supervised Learning via Redundancy Reduction,
      2021, arXiv:2103.03230, section 2.2.
    """
    return _partition(optimizer, list(others))


def _partition(default, others):
    names = [f"group_{i}" for i in range(len(others))]
    kept = [included(match) for match, _ in others]

    def labels(params):
        label = walk(lambda _, leaf: "rest", params)
        for i in reversed(range(len(others))):
            label = jax.tree.map(
                lambda name, keep, i=i: name if keep else names[i],
                label,
                kept[i](params),
            )
        return label

    transformations = dict(zip(names, [tx for _, tx in others], strict=True))
    split = optax.partition(transformations | {"rest": default}, labels)

    def init(params):
        for keep, (match, _) in zip(kept, others, strict=True):
            _check_some(params, keep, match)
        return split.init(params)

    return optax.GradientTransformation(init, split.update)


def _check_some(params, keep: Callable, match: Any) -> None:
    if not all(jax.tree.leaves(keep(params))):
        return
    paths: list[str] = []
    walk(lambda path, _: paths.append(path), params)
    shown = ", ".join(paths[:8]) + (", ..." if len(paths) > 8 else "")
    raise ValueError(f"no parameter matches {match!r}; the parameters are {shown}")


class _Held(NamedTuple):
    step: Array
    inner: Any


def _held(optimizer, steps):
    def init(params):
        return _Held(jnp.zeros([], jnp.int32), optimizer.init(params))

    def update(updates, state, params=None):
        waiting = state.step < steps
        moved, inner = optimizer.update(updates, state.inner, params)

        def choose(new, old):
            return new if _is_clock(new) else jnp.where(waiting, old, new)

        moved = jax.tree.map(lambda u: jnp.where(waiting, jnp.zeros_like(u), u), moved)
        inner = jax.tree.map(choose, inner, state.inner, is_leaf=_is_clock)
        return moved, _Held(state.step + 1, inner)

    return optax.GradientTransformation(init, update)


def _is_clock(node: Any) -> bool:
    """The state of a schedule, which goes on while parameters wait."""
    return isinstance(node, tuple) and getattr(node, "_fields", ()) == ("count",)
