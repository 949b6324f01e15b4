"""The types that every part of sslax shares. No method is known here.

A *method* is a value: a few pure functions in a frozen dataclass. A *net* is a network
as two pure functions. Everything that a training run carries is one `State`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from jaxtyping import Array

__all__ = [
    "Aux",
    "Drawn",
    "Method",
    "Net",
    "Objective",
    "Output",
    "Parts",
    "State",
    "compared",
    "in_parts",
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
class Embed(Protocol):
    """`(params, extra, batch, *, key, step) -> (embeddings, new)`, see `Parts`."""

    def __call__(
        self, params: Params, extra: Extra, batch: Batch, /, *, key: Array, step: Array
    ) -> tuple[Any, Extra]: ...


@runtime_checkable
class Compare(Protocol):
    """`(params, extra, batch, embeddings, *, key, step) -> (scalar, Aux)`."""

    def __call__(
        self,
        params: Params,
        extra: Extra,
        batch: Batch,
        embeddings: Any,
        /,
        *,
        key: Array,
        step: Array,
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
      outputs: the names of its arrays, where it gives a dict of several; the first is
        the main one, which the next net of a chain takes and which is evaluated.
    """

    init: Callable[..., tuple[Any, Any]]
    apply: Callable[..., tuple[Any, Any]]
    outputs: tuple[str, ...] = ()


class Aux(NamedTuple):
    """What a loss returns beside its value.

    Attributes:
      extra: the state that is not trained by gradient, after this loss.
      metrics: scalars to log.
    """

    extra: Mapping[str, Any]
    metrics: Mapping[str, Any] = {}


class Parts(NamedTuple):
    """A loss in two parts: what the nets make of each image, and what compares it.

    So the images of a batch may pass through the nets in micro-batches, though the loss
    sees them all.

    Attributes:
      embed: `(params, extra, batch, *, key, step) -> (embeddings, new)`: a tree of
        arrays [b ...], in which an image sees others by batch norm alone, and the
        entries of `extra` that have changed, such as "stats".
      compare: `(params, extra, batch, embeddings, *, key, step) -> (scalar, Aux)`: no
        large nets, and `extra` with what has changed. The key is that of `embed`: who
        draws in both splits it.
    """

    embed: Embed
    compare: Compare


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
      parts: those of a loss that couples examples, where it has them; see `compared`.
    """

    loss: Loss
    wrt: tuple[str, ...] | None = None
    every: int = 1
    separable: bool = False
    parts: Parts | None = None


def compared(embed: Embed, compare: Compare, *, separable: bool = False) -> Objective:
    """An objective whose loss is `compare` of what `embed` makes of a batch.

    Args:
      embed: see `Parts`.
      compare: see `Parts`.
      separable: see `Objective`.

    Returns:
      An objective that trains all groups.

    Example:
      >>> import jax.numpy as jnp
      >>> def embed(params, extra, batch, *, key, step):
      ...     return batch["views"][0] @ params["w"], {}
      >>> def compare(params, extra, batch, z, *, key, step):
      ...     return jnp.square(z @ z.T).sum(), Aux(extra)
      >>> objective = compared(embed, compare)
      >>> batch, params = {"views": (jnp.eye(2),)}, {"w": 2 * jnp.eye(2)}
      >>> objective.loss(params, {}, batch, key=jax.random.key(0), step=0)[0].item()
      32.0
    """

    def loss(params, extra, batch, *, key, step):
        embeddings, new = embed(params, extra, batch, key=key, step=step)
        extra = {**extra, **new}
        return compare(params, extra, batch, embeddings, key=key, step=step)

    return Objective(loss=loss, separable=separable, parts=Parts(embed, compare))


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
        "logits" [b c], "map" [b h w d], "text" [b d] and "image" [b d] in the space
        that they share, "attention" [b heads h w], "translation" [b h w c], "action"
        [b a] in [-1, 1], drawn by the key and without one the likeliest, and
        "pictures", images in the range of the views by title, for the report.
      after_update: `(params, extra, *, step) -> (params, extra)`: EMA, renormalisation.
      given: paths in the state that mean nothing as they start, such as
        "extra/tokenizer": a run takes them from another one, or does not begin.
    """

    init: Init
    objectives: Mapping[str, Objective]
    outputs: Mapping[str, Output]
    after_update: AfterUpdate = _keep
    given: tuple[str, ...] = ()


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


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A builder or a view in two parts, whose images may be made a few at a time.

    First all that is random is drawn for the whole batch; from it each image is made by
    itself, the same however many are made together.

    Attributes:
      draw: `(key, *given) -> drawn`, small arrays [b ...] in a tree.
      make: `(drawn, *given) -> result`, for any neighbours in the batch.
    """

    draw: Callable[..., Any]
    make: Callable[..., Any]

    def __call__(self, key: Array | None, *given: Any) -> Any:
        """Both parts, one after the other."""
        return self.make(self.draw(key, *given), *given)


def in_parts(function: Callable[..., Any]) -> Drawn:
    """The parts of a builder or a view; one without is made whole as it is drawn.

    Args:
      function: a builder or a view, in parts or not.

    Returns:
      The same in parts.
    """
    if isinstance(function, Drawn):
        return function
    return Drawn(draw=function, make=lambda drawn, *given: drawn)
