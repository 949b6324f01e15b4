"""Which parameters: by rank, by name, and which of them stack several layers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import optax

from sslax.schedules import Schedule, constant

__all__ = ["STACKED", "Exclude", "finder", "included", "per_layer", "rate", "walk"]

Exclude = str | Sequence[str]

# As Flax names the parameters of layers that it scans over.
STACKED = (r"(^|/)Scan",)


def walk(function: Callable[..., Any], params: Any, *rest: Any) -> Any:
    """Maps `function(path, leaf, ...)` over trees; the path is "encoder/norm/scale".

    What an outer transformation masks is visited too, so that its name counts.
    """

    def visit(path, leaf, *others):
        if isinstance(leaf, optax.MaskedNode):
            function(_joined(path), None, *others)
            return leaf
        return function(_joined(path), leaf, *others)

    return jax.tree_util.tree_map_with_path(visit, params, *rest, is_leaf=_is_masked)


def _joined(path) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _is_masked(node) -> bool:
    return isinstance(node, optax.MaskedNode)


def finder(patterns: Sequence[str]) -> Callable[[str], bool]:
    """`path -> bool`: whether one of the regular expressions is found in it."""
    compiled = [re.compile(pattern) for pattern in patterns]
    return lambda path: any(pattern.search(path) for pattern in compiled)


def included(exclude: Exclude, *, stacked: Sequence[str] = STACKED) -> Callable:
    """A mask over parameters: True where weight decay and trust ratio apply.

    Args:
      exclude: "none" excludes nothing; "rank_one" excludes what has at most one axis
        (biases, norm scales); otherwise regular expressions searched in the path, such
        as `("bias", "scale", "cls_token")`, among which "rank_one" may be.
      stacked: regular expressions of the paths whose first axis counts layers, and not
        as an axis; by default those of `flax.linen.scan`.

    Returns:
      `params -> tree of bool`.

    Raises:
      ValueError: if `exclude` is another word.

    Example:
      >>> import jax.numpy as jnp
      >>> params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
      >>> included("rank_one")(params)
      {'bias': False, 'kernel': True}
      >>> included(("rank_one", "kernel"))(params)
      {'bias': False, 'kernel': False}
    """
    if isinstance(exclude, str):
        if exclude not in ("none", "rank_one"):
            raise ValueError(
                f"exclude must be 'none', 'rank_one' or a list of regular expressions; "
                f"got {exclude!r}"
            )
        exclude = () if exclude == "none" else (exclude,)
    by_rank = "rank_one" in exclude
    named = finder([pattern for pattern in exclude if pattern != "rank_one"])
    is_stacked = finder(stacked)

    def keep(path, leaf):
        small = by_rank and leaf is not None and leaf.ndim - is_stacked(path) <= 1
        return not (small or named(path))

    return lambda params: walk(keep, params)


def per_layer(
    transformation: optax.GradientTransformation, stacked: Sequence[str]
) -> optax.GradientTransformation:
    """A stateless transformation of one tensor, for each tensor and stacked layer.

    Layers that are scanned share a tensor; what looks at a norm must look at each.
    """
    is_stacked = finder(stacked)

    def one(update, param):
        return transformation.update(update, optax.EmptyState(), param)[0]

    def leaf(path, update, param):
        if update is None:
            return None
        return (jax.vmap(one) if is_stacked(path) else one)(update, param)

    def update(updates, state, params=None):
        if params is None:
            params = updates
        return walk(leaf, updates, params), state

    return optax.GradientTransformation(lambda _: optax.EmptyState(), update)


def rate(learning_rate: float, schedule: Schedule | None) -> Callable[..., Any]:
    """The learning rate by step."""
    if isinstance(learning_rate, (int, float)) and not 0 < learning_rate < math.inf:
        raise ValueError(
            f"learning_rate must be above 0 and finite; got {learning_rate} (frozen "
            "holds parameters still)"
        )
    multiplier = constant() if schedule is None else schedule
    return lambda step: learning_rate * multiplier(step)
