"""Training batches: by step, in memory or through Grain, the same either way."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from sslax.data._ahead import ahead
from sslax.data._arrays import row_of
from sslax.data._fields import batch_fields
from sslax.data._memory import (
    check_shapes,
    check_share,
    in_memory,
    load_many,
    stack,
    warn_of_bad,
)
from sslax.data._order import batch_draws, batch_indices
from sslax.data._shapes import shapes
from sslax.data._sources import Source, check_on_error, still_draws

MEMORY_LIMIT = 2**30
"""Bytes up to which memory="auto" keeps a decoded set in memory."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reader:
    """Loads batch k, this process's share of it, from any source. It can be pickled."""

    source: Source
    batch_size: int
    seed: int
    canvas: int | None
    process_index: int
    process_count: int
    on_error: str

    def indices(self, step: int) -> np.ndarray:
        """Which examples this process loads for batch `step`."""
        return batch_indices(step, length=len(self.source), **self._share())

    def draws(self, step: int, indices: list[int]) -> list[int]:
        """A random number for each of these examples, if the source asks for them."""
        if not self.source.draws:
            return still_draws(indices)
        return batch_draws(step, **self._share()).tolist()

    def _share(self) -> dict[str, int]:
        return {
            "seed": self.seed,
            "batch_size": self.batch_size,
            "process_index": self.process_index,
            "process_count": self.process_count,
        }

    def __call__(self, step: int) -> tuple[dict[str, np.ndarray], list[int]]:
        """The batch, and the examples that were skipped for it."""
        places = self.indices(int(step))
        if self.source.arrays is not None and self.canvas is None:
            return row_of(self.source.arrays, places), []
        indices = places.tolist()
        examples, bad = load_many(
            self.source,
            indices,
            self.draws(int(step), indices),
            self.canvas,
            on_error=self.on_error,
            replace=True,
        )
        return stack(examples, batch_fields(self.source.fields, self.canvas)), bad


class Loader:
    """Batches by step number. Made by `loader`.

    Attributes:
      source: what is read, with `arrays` where `memory` and nothing is drawn afresh.
      memory: whether all pictures are in memory.
      batch_size: examples a batch, of all processes together.
      shapes: shapes of a batch, of all processes together, by name.
      steps_per_epoch: whole batches in an epoch.
    """

    def __init__(
        self, reader: Reader, *, memory: bool, workers: int, prefetch: int
    ) -> None:
        self.source = reader.source
        self.memory = memory
        self.batch_size = reader.batch_size
        self.shapes = shapes(
            reader.source, batch_size=reader.batch_size, canvas=reader.canvas
        )
        self.steps_per_epoch = len(self.source) // reader.batch_size
        self._reader, self._workers, self._prefetch = reader, workers, prefetch
        self._bad = set(self.source.bad)

    @property
    def skipped(self) -> int:
        """How many different examples were skipped so far because they are bad."""
        return len(self._bad)

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """This process's share of batch `step`: a function of the seed and the step."""
        if step < 0:
            raise ValueError(f"step is {step}; batches are counted from 0")
        return self._account(self._reader(step))

    def iterate(self, start_step: int = 0) -> Iterator[dict[str, np.ndarray]]:
        """Batches from `start_step` on, without end, read ahead in the background.

        Close the iterator (or drop it) to stop the background work.
        """
        if start_step < 0:
            raise ValueError(f"start_step is {start_step}; batches are counted from 0")
        if self.memory:
            steps = range(start_step, 2**62)
            return ahead(map(self.batch, steps), size=self._prefetch)
        from sslax.data._grain import iterate

        read = iterate(
            self._reader, start_step, workers=self._workers, prefetch=self._prefetch
        )
        return map_closing(self._account, read)

    def _account(self, loaded: tuple[dict[str, np.ndarray], Any]) -> dict:
        batch, bad = loaded
        fresh = sorted(set(map(int, bad)) - self._bad)
        warn_of_bad(self.source, fresh)
        self._bad.update(fresh)
        check_share(self.source, len(self._bad))
        return batch


def loader(
    source: Source,
    *,
    batch_size: int,
    seed: int = 0,
    memory: bool | str = "auto",
    canvas: int | None = None,
    workers: int = 0,
    prefetch: int = 2,
    process_index: int | None = None,
    process_count: int | None = None,
    on_error: str | None = None,
) -> Loader:
    """Makes training batches in a seeded random order, indexed by step.

    Batch k depends on the seed and on k alone: not on the number of processes, of
    workers or on `memory`. To resume after step k is therefore `iterate(k + 1)`. The
    orders of the epochs follow each other without a gap, so an epoch may end inside a
    batch.

    Args:
      source: what to read.
      batch_size: examples a batch, of all processes together.
      seed: of the order.
      memory: True decodes the whole set at the start, False reads it again and again
        through Grain, "auto" takes memory for up to 1 GiB.
      canvas: the side in pixels of a square that images are put on, shrunk if they are
        larger; needed where they differ in size. Batches then have a `box`.
      workers: processes that read ahead (0: threads of this process). They start this
        program anew, so a script must be guarded by `if __name__ == "__main__"`.
      prefetch: batches to read ahead, by each worker.
      process_index: which process this is; by default as `jax.process_index()`.
      process_count: how many load a part of each batch; `jax.process_count()`.
      on_error: "stop" or "skip" at an example that cannot be decoded; None is what the
        source says. A skipped one is replaced by the next good one, and counted.

    Returns:
      A `Loader`: `batch(k)`, `iterate(start_step)`, `steps_per_epoch`, `shapes`,
      `memory`, `skipped`. A batch is a dict of `image` uint8 [b h w c], `index` int32
      [b], with a canvas `box` float32 [b 4] (top, left, height, width), and the
      source's other fields, as `label` int32 [b]; b is batch_size / process_count.

    Raises:
      ValueError: if it is no source, the batch is larger than the set or does not
        divide by the processes, or images differ in size and there is no canvas.
      BadExample: at an example that cannot be decoded, unless it is skipped.

    Example:
      >>> from sslax import data
      >>> shapes = data.synthetic(size=16, length=10)
      >>> batches = data.loader(shapes, batch_size=4, seed=1)
      >>> batches.batch(0)["image"].shape, batches.steps_per_epoch
      ((4, 16, 16, 3), 2)
    """
    if not isinstance(source, Source):
        raise ValueError(
            f"a loader reads a Source; got {type(source).__name__}: data.source(...) "
            "makes one of it, or data.arrays(images, labels=...)"
        )
    if process_index is None or process_count is None:
        import jax

        process_index, process_count = jax.process_index(), jax.process_count()
    _check(batch_size, seed, workers, prefetch, process_index, process_count)
    if batch_size > len(source):
        raise ValueError(
            f"batch_size is {batch_size}, and {source.name} has only {len(source)}"
            " examples: a batch would hold some of them twice"
        )
    on_error = check_on_error(on_error or source.on_error)
    if _held(source, memory, canvas):
        source, canvas = in_memory(source, canvas=canvas, on_error=on_error), None
        memory = True
    elif source.beneath is not None and _held(source.beneath[0], memory, canvas):
        still, over = source.beneath
        still = dataclasses.replace(still, resize=source.resize)
        source = over(in_memory(still, canvas=canvas, on_error=on_error))
        canvas, memory = None, True
    reader = Reader(
        source=source,
        batch_size=batch_size,
        seed=seed,
        canvas=canvas,
        process_index=process_index,
        process_count=process_count,
        on_error=on_error,
    )
    return Loader(reader, memory=memory is True, workers=workers, prefetch=prefetch)


def _held(source: Source, memory: bool | str, canvas: int | None) -> bool:
    """Whether to decode the whole set; what is drawn afresh each time cannot be."""
    fields = check_shapes(source, canvas)
    if memory not in (True, False, "auto"):
        raise ValueError(f"memory is {memory!r}; it must be True, False or 'auto'")
    if memory is True and source.draws and source.beneath is None:
        raise ValueError(
            f"memory is True, but {source.name} draws afresh each time: leave it out"
        )
    if memory == "auto":
        sizes = [
            math.prod(map(int, field.shape)) * np.dtype(field.dtype).itemsize
            for field in fields.values()
        ]
        return not source.draws and len(source) * sum(sizes) <= MEMORY_LIMIT
    return memory is True and not source.draws


def _check(
    batch_size: int,
    seed: int,
    workers: int,
    prefetch: int,
    process_index: int,
    process_count: int,
) -> None:
    for name, value, least in (
        ("batch_size", batch_size, 1),
        ("seed", seed, 0),
        ("workers", workers, 0),
        ("prefetch", prefetch, 1),
        ("process_count", process_count, 1),
    ):
        if value < least:
            raise ValueError(f"{name} is {value}; it must be at least {least}")
    if not 0 <= process_index < process_count:
        raise ValueError(
            f"process_index is {process_index}, of {process_count} processes"
        )
    if batch_size % process_count:
        raise ValueError(
            f"batch_size {batch_size} does not divide by {process_count} processes; the"
            f" nearest that does is {max(1, round(batch_size / process_count))}"
            f" * {process_count} ="
            f" {max(1, round(batch_size / process_count)) * process_count}"
        )


def map_closing(function: Any, iterator: Iterator) -> Iterator:
    """As `map`, but closing the result closes the iterator."""
    try:
        for item in iterator:
            yield function(item)
    finally:
        iterator.close()
