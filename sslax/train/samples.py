"""Which images of large data stand for all of them."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np

from sslax import data
from sslax.kinds import Builder
from sslax.train.batch_outputs import reading
from sslax.train.run import Run

__all__ = ["sampled", "spaced"]

# Bytes of a baseline's outputs of a split.
_SAMPLE = 2**30


def sampled(
    run: Run,
    source: data.Source,
    names: tuple[str, ...],
    alters: Mapping[str, Builder] | None = None,
) -> int:
    """Of how many images the outputs take 1 GiB.

    Args:
      run: the run.
      source: the data.
      names: of the outputs, see `reading`.
      alters: builders by kind, see `reading`.

    Returns:
      A number, at least 2.
    """
    size, shapes = run.config["evaluate"]["batch_size"], run.program.shapes
    batch = data.shapes(source, batch_size=size, canvas=run.config["data"]["canvas"])
    read = reading(run, names, (), alters)
    key = jax.random.key(0)
    made = jax.eval_shape(read, shapes.params, shapes.extra, batch, key)
    each = 4 * sum(made[name].size for name in names) // size
    return max(2, _SAMPLE // max(1, each))


def spaced(length: int, count: int | None) -> np.ndarray:
    """At most `count` of `length` rows, evenly spaced; all for None.

    Args:
      length: how many there are.
      count: how many are wanted.

    Returns:
      Rows, rising.
    """
    if count is None or count >= length:
        return np.arange(length)
    return np.arange(count) * length // count
