"""Where batches come from, step by step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from sslax import data
from sslax.core import State
from sslax.program import Program
from sslax.sharding import batch_sharding

__all__ = ["Feed", "Feeder", "in_order", "loader_feed"]


class Feed(NamedTuple):
    """Batches from a step on.

    Attributes:
      batches: `(step, state) -> iterator` of batches on the devices, from a step on,
        one for each call of the train step; `state()` is the newest state, for feeds
        that act with it (a replay buffer).
      save: `folder -> None`, writes beside a checkpoint what does not follow from the
        seed and the step; None where all does.
      restore: `folder -> str`, reads it back; says what is damaged, or nothing.
      scalars: `() -> numbers by name`, what it has to tell, for the log.
    """

    batches: Callable[[int, Callable[[], State]], Iterator[Any]]
    save: Callable[[Path], None] | None = None
    restore: Callable[[Path], str] | None = None
    scalars: Callable[[], Mapping[str, float]] = dict


# (config, loader, program) -> feed: what `config.feed` is a call of.
Feeder = Callable[[Mapping[str, Any], Any, Program], Feed]


def in_order() -> Feeder:
    """The examples of the data in the order of the seed, as without a `feed`.

    Returns:
      `(config, loader, program) -> Feed`.
    """

    def feeder(config, loader, program):
        return loader_feed(
            loader, program.mesh, steps_per_call=config["steps_per_call"]
        )

    return feeder


def loader_feed(loader: Any, mesh: Mesh, *, steps_per_call: int = 1) -> Feed:
    """The feed of a loader: batch k follows from the seed and k.

    Args:
      loader: from `sslax.data.loader`.
      mesh: the devices.
      steps_per_call: batches of one call of the train step, on a leading axis if more
        than one.

    Returns:
      The feed.
    """
    stacked = steps_per_call > 1

    def batches(step, state):
        del state
        source = loader.iterate(step)
        if stacked:
            source = _stacks(source, steps_per_call)
        yield from data.to_device(source, batch_sharding(mesh, stacked=stacked))

    return Feed(batches)


def _stacks(
    batches: Iterator[Mapping[str, Any]], count: int
) -> Iterator[Mapping[str, Any]]:
    while group := list(itertools.islice(batches, count)):
        yield jax.tree.map(lambda *x: np.stack(x), *group)
