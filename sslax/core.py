"""The types that every part of sslax shares. No method is known here.

A *method* is a value: a few pure functions in a frozen dataclass. A *net* is a network
as two pure functions. Everything that a training run carries is one `State`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array

__all__ = [
    "Aux",
    "Method",
    "Net",
    "Objective",
    "Output",
    "State",
    "by_size",
    "chain",
    "each",
    "features_of",
    "fold",
    "unfold",
]

Params = Mapping[str, Any]
Extra = Mapping[str, Any]
Batch = Mapping[str, Any]


@runtime_checkable
class Init(Protocol):
    """`(key, batch) -> (params, extra)`; the batch is one that views have made."""

    def __call__(self, key: Array, batch: Batch, /) -> tuple[Params, Extra]: ...


@runtime_checkable
class Loss(Protocol):
    """`(params, extra, batch, *, key, step) -> (scalar, Aux)`."""

    def __call__(
        self, params: Params, extra: Extra, batch: Batch, /, *, key: Array, step: Array
    ) -> tuple[Array, Aux]: ...


@runtime_checkable
class Output(Protocol):
    """`(params, extra, batch, *, key) -> array or dict of arrays`, deterministic."""

    def __call__(
        self, params: Params, extra: Extra, batch: Batch, /, *, key: Array
    ) -> Array | Mapping[str, Array]:
        """Reads one kind of output."""
        ...


@runtime_checkable
class AfterUpdate(Protocol):
    """`(params, extra, *, step) -> (params, extra)`."""

    def __call__(
        self, params: Params, extra: Extra, /, *, step: Array
    ) -> tuple[Params, Extra]: ...


class Net(NamedTuple):
    """A network as two pure functions: all that a method knows of Flax.

    Attributes:
      init: `(key, *inputs) -> (params, stats)`.
      apply: `(params, stats, *inputs, train=False, key=None, order=None) -> (output,
        stats)`. Without a key nothing is dropped: no dropout, no drop path. `order`, a
        permutation of the batch, is for nets whose batch norm has groups: the output is
        that of the batch in this order, put back in its own. Others ignore it.
    """

    init: Callable[..., tuple[Any, Any]]
    apply: Callable[..., tuple[Any, Any]]


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
      every: steps between updates; schedules of its optimizer follow the steps of the
        run, not its updates.
      separable: the loss is a mean over examples that do not see each other (batch
        norm aside), so that gradients of micro-batches can be averaged.
    """

    loss: Loss
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
        Batch statistics stand at `extra["stats"][group]` for every group that has them.
      objectives: losses by name, updated in order, each with its own optimizer.
      outputs: what can be read from the networks, by kind, each a deterministic
        `(params, extra, batch, *, key) -> array or dict of arrays` of a batch that
        views made. Every method has "features" [b d], of the first view. By kind also
        "logits" [b c], "map" [b h w d], "text" [b d], "attention" [b heads h w], and
        "pictures", images in the range of the views by title, for the report.
      after_update: `(params, extra, *, step) -> (params, extra)`: EMA, renormalisation.
    """

    init: Init
    objectives: Mapping[str, Objective]
    outputs: Mapping[str, Output]
    after_update: AfterUpdate = _keep


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

    def apply(params, stats, *inputs, train=False, key=None, order=None):
        out, new = {}, {}
        options = {} if order is None else {"order": order}
        for i, (name, net) in enumerate(nets.items()):
            net_key = None if key is None else jax.random.fold_in(key, i)
            out[name], new[name] = net.apply(
                params[name], stats[name], *inputs, train=train, key=net_key, **options
            )
            inputs = (out[name],)
        return out, new

    return Net(init, apply)


def features_of(net: Net, name: str) -> Output:
    """The usual `outputs["features"]`: one output of a chain, in inference mode.

    Args:
      net: a net made by `chain`.
      name: the name of the output.

    Returns:
      `(params, extra, batch, *, key) -> features` of the first view, reading statistics
      in `extra["stats"]`.
    """

    def features(params, extra, batch, *, key):
        del key
        return net.apply(params, extra["stats"], batch["views"][0])[0][name]

    return features


def each(
    net: Net, params: Any, stats: Any, views: Sequence[Array], *, key: Array
) -> tuple[list[Any], Any]:
    """Trains on one view after the other, so that each has batch statistics of its own.

    Args:
      net: the net.
      params: its parameters.
      stats: its statistics, passed from view to view.
      views: arrays `[b ...]`.
      key: of dropout; every view draws its own.

    Returns:
      The output of each view, and the statistics after the last.
    """
    outputs = []
    for i, view in enumerate(views):
        out, stats = net.apply(
            params, stats, view, train=True, key=jax.random.fold_in(key, i)
        )
        outputs.append(out)
    return outputs, stats


def by_size(
    net: Net, params: Any, stats: Any, views: Sequence[Array], *, key: Array
) -> tuple[list[Any], Any]:
    """Trains on views of several sizes, those of one size in one pass (multi-crop).

    Args:
      net: the net.
      params: its parameters.
      stats: its statistics, passed from size to size.
      views: arrays `[b h w c]`, those of one size beside each other.
      key: of dropout; every pass draws its own.

    Returns:
      The output of each view, and the statistics after the last pass.
    """
    outputs, start = [], 0
    while start < len(views):
        stop = start
        while stop < len(views) and views[stop].shape == views[start].shape:
            stop += 1
        group, count = views[start:stop], stop - start
        out, stats = net.apply(
            params, stats, fold(group), train=True, key=jax.random.fold_in(key, start)
        )
        parts = jax.tree.map(lambda x, n=count: unfold(x, n), out)
        outputs += [
            jax.tree.map(lambda _, part, i=i: part[i], out, parts) for i in range(count)
        ]
        start = stop
    return outputs, stats


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
