"""The types that every part of sslax shares. No method is known here.

A *method* is a value: a few pure functions in a frozen dataclass. A *net* is a network
as two pure functions. Everything that a training run carries is one `State`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

__all__ = [
    "Aux",
    "Method",
    "Net",
    "Objective",
    "State",
    "chain",
    "fold",
    "output_of",
    "unfold",
]


class Net(NamedTuple):
    """A network as two pure functions: all that a method knows of Flax.

    Attributes:
      init: `(key, *inputs) -> (params, stats)`.
      apply: `(params, stats, *inputs, train=False, key=None) -> (output, stats)`.
    """

    init: Callable[..., Any]
    apply: Callable[..., Any]


class Aux(NamedTuple):
    """What a loss returns beside its value.

    Attributes:
      extra: the state that is not trained by gradient, after this loss.
      metrics: scalars to log.
    """

    extra: Mapping[str, Any]
    metrics: Mapping[str, Any] = {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective:
    """One loss and what it trains.

    Attributes:
      loss: `(params, extra, batch, *, key, step) -> (scalar, Aux)`.
      wrt: the top-level parameter groups that it trains; None is all of them.
      every: update once in so many steps.
      separable: the loss is a mean over examples that do not see each other (batch
        norm aside), so that gradients of micro-batches can be averaged.
    """

    loss: Callable[..., Any]
    wrt: tuple[str, ...] | None = None
    every: int = 1
    separable: bool = False


def _keep(params, extra, *, step):
    del step
    return params, extra


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """A self-supervised method as a value.

    Attributes:
      init: `(key, batch) -> (params, extra)`; the batch is one that views have made.
      objectives: losses by name, updated in order, each with its own optimizer.
      embed: `(params, extra, images) -> features [b d]`, deterministic.
      after_update: `(params, extra, *, step) -> (params, extra)`: EMA, renormalisation.
      reconstruct: `(params, extra, batch, *, key) -> images [b h w c]` for methods that
        paint pixels, for the report; None for others.
    """

    init: Callable[..., Any]
    objectives: Mapping[str, Objective]
    embed: Callable[..., Any]
    after_update: Callable[..., Any] = _keep
    reconstruct: Callable[..., Any] | None = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    """Everything that a training run carries; a pytree.

    Attributes:
      step: int32 scalar, the number of steps done.
      params: trained by gradient; its top-level keys are the groups `wrt` names.
      extra: not trained by gradient: batch statistics, teacher, queue, bank, centre.
      opt: optimizer state by objective name.
    """

    step: Any
    params: Any
    extra: Any
    opt: Any


def chain(**nets: Net) -> Net:
    """Runs nets in order; the output is a dict of every net's output by name.

    Args:
      **nets: nets by name, in order; each takes the output of the one before.

    Returns:
      A net whose parameters and statistics are dicts keyed by the names.
    """

    def init(key, *inputs):
        params, stats = {}, {}
        for i, (name, net) in enumerate(nets.items()):
            params[name], stats[name] = net.init(jax.random.fold_in(key, i), *inputs)
            out, _ = net.apply(params[name], stats[name], *inputs)
            inputs = (out,)
        return params, stats

    def apply(params, stats, *inputs, train=False, key=None):
        out, new = {}, {}
        for i, (name, net) in enumerate(nets.items()):
            net_key = None if key is None else jax.random.fold_in(key, i)
            out[name], new[name] = net.apply(
                params[name], stats[name], *inputs, train=train, key=net_key
            )
            inputs = (out[name],)
        return out, new

    return Net(init, apply)


def output_of(net: Net, name: str) -> Callable[..., Array]:
    """The usual `embed`: the output called `name` of a chain, in inference mode.

    Args:
      net: a net made by `chain`.
      name: the name of the output.

    Returns:
      `(params, extra, images) -> features`, reading statistics in `extra["stats"]`.
    """

    def embed(params, extra, images):
        return net.apply(params, extra["stats"], images)[0][name]

    return embed


def fold(views: Sequence[Array]) -> Array:
    """Folds V views `[b ...]` into one batch `[b*V ...]`, an image's views together.

    Under a sharded batch this is local; concatenation on axis 0 would cost permutes.

    Args:
      views: arrays of one shape.

    Returns:
      `[b*V ...]`, image-major.
    """
    return jnp.stack(views, axis=1).reshape((-1, *views[0].shape[1:]))


def unfold(x: Array, count: int) -> tuple[Array, ...]:
    """The inverse of `fold`.

    Args:
      x: `[b*count ...]`, image-major.
      count: the number of views.

    Returns:
      `count` arrays `[b ...]`.
    """
    parts = x.reshape((-1, count, *x.shape[1:]))
    return tuple(parts[:, i] for i in range(count))
