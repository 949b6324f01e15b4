"""Whole sets in memory, and what becomes of examples that cannot be decoded."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from absl import logging

from sslax.data._arrays import in_arrays
from sslax.data._fields import Example, Field, batch_fields, box_of
from sslax.data._sources import (
    BadExample,
    Source,
    check_on_error,
    finish,
    still_draws,
)

_PART = 32
SKIP_SHARE, SKIP_LEAST = 0.05, 10
"""More bad examples than this share of a set, and than this many, stop a run."""


def check_shapes(source: Source, canvas: int | None) -> dict[str, Field]:
    """The fields of a batch.

    Raises:
      ValueError: if pictures differ in size and there is no canvas.
    """
    if canvas is not None and canvas < 1:
        raise ValueError(f"canvas is {canvas}; it must be a number of pixels")
    fields = batch_fields(source.fields, canvas)
    for name in source.pictures:
        if None in fields[name].shape:
            raise ValueError(
                f"the images of {source.name} differ in size: give canvas=, the side in"
                " pixels of the square that each is put on, for example canvas=256"
                " (--config.data.canvas=256)"
            )
    return fields


def stack(examples: Sequence[Example], fields: dict[str, Field]) -> dict:
    """One batch of several examples."""
    return {
        key: np.stack([example[key] for example in examples]).astype(
            fields[key].dtype, copy=False
        )
        for key in examples[0]
    }


def load_many(
    source: Source,
    indices: Sequence[int],
    draws: Sequence[int],
    canvas: int | None,
    *,
    on_error: str,
    replace: bool,
) -> tuple[list[Example], list[int]]:
    """Some examples, decoded, and the bad ones among them.

    Args:
      source: what to read.
      indices: which examples.
      draws: a random number for each.
      canvas: the side of their canvas, or None.
      on_error: "stop" raises at a bad one.
      replace: put the next good example at the place of a bad one; else leave it out.
    """
    examples, bad = [], []
    rows = zip(indices, draws, source.read(indices, draws), strict=True)
    for index, draw, read in rows:
        try:
            examples.append(finish(source, read, index, canvas))
        except BadExample:
            if on_error == "stop":
                raise
            bad.append(index)
            if replace:
                examples.append(_next_good(source, index, draw, canvas, bad))
    return examples, bad


def _next_good(
    source: Source, index: int, draw: int, canvas: int | None, bad: list[int]
) -> Example:
    """The next example after `index` that can be decoded; adds the others to `bad`."""
    for candidate in (*range(index + 1, len(source)), *range(index)):
        [read] = source.read([candidate], [draw])
        try:
            return finish(source, read, candidate, canvas)
        except BadExample:
            bad.append(candidate)
            check_share(source, len(set(bad)))
    raise BadExample(
        f"none of the {len(source)} examples of {source.name} can be decoded"
    )


def check_share(source: Source, count: int) -> None:
    """Stops where so many examples are bad that it is no matter of a few files.

    Raises:
      BadExample: if too many are bad.
    """
    if count > max(SKIP_LEAST, SKIP_SHARE * len(source)):
        raise BadExample(
            f"{count} of the {len(source)} examples of {source.name} cannot be decoded,"
            f" more than the {SKIP_SHARE:.0%} that on_error='skip' passes over"
        )


def _in_order(
    source: Source, indices: Sequence[int], **options: Any
) -> Iterator[tuple[list[Example], list[int]]]:
    """`load_many` of many examples in small parts, some ahead of their use."""
    parts = [indices[i : i + _PART] for i in range(0, len(indices), _PART)]
    count = os.cpu_count() or 1
    running: collections.deque[Future] = collections.deque()
    bad = 0
    with ThreadPoolExecutor(count) as threads:
        for part in [*parts, *[None] * count]:
            if part is not None:
                draws = still_draws(part)
                running.append(
                    threads.submit(load_many, source, part, draws, **options)
                )
            if running and (part is None or len(running) > count):
                examples, bad_here = running.popleft().result()
                bad += len(bad_here)
                check_share(source, bad)
                yield examples, bad_here


def in_memory(
    source: Source, *, canvas: int | None = None, on_error: str | None = None
) -> Source:
    """Decodes a whole set into arrays.

    Do this once for a set that is read again and again, as one that is evaluated on
    during training; loaders and `batches` take the result as they take any source. What
    a source draws afresh each time (one of several captions) is drawn once here.

    Args:
      source: any source; one that is in memory already is returned as it is.
      canvas: the side of the square that images are put on, in pixels; needed where
        they differ in size.
      on_error: "stop" or "skip" at an example that cannot be decoded; None is what the
        source says. A skipped one becomes a copy of the next good one, whose index it
        carries, and is listed in `bad`.

    Returns:
      A source with `arrays`: `image` uint8 [n h w c], `index` int32 [n], and the
      source's other fields.

    Raises:
      BadExample: at an example that cannot be decoded, unless it is skipped.

    Example:
      >>> from sslax import data
      >>> shapes = data.in_memory(data.synthetic(size=16))
      >>> shapes.arrays["image"].shape
      (1024, 16, 16, 3)
    """
    on_error = check_on_error(on_error or source.on_error)
    fields = check_shapes(source, canvas)
    if source.arrays is not None and (canvas is None or _on_canvas(source)):
        return source
    arrays: dict[str, np.ndarray] = {}
    bad = set(source.bad)
    done = 0
    for examples, bad_here in _in_order(
        source, range(len(source)), canvas=canvas, on_error=on_error, replace=True
    ):
        bad.update(bad_here)
        for key, values in stack(examples, fields).items():
            if key not in arrays:
                arrays[key] = np.empty((len(source), *values.shape[1:]), values.dtype)
            arrays[key][done : done + len(values)] = values
        done += len(examples)
    warn_of_bad(source, sorted(bad))
    del fields["index"]
    held = in_arrays(arrays, fields, name=source.name)
    return dataclasses.replace(
        source,
        read=held.read,
        fields=fields,
        labels=held.labels,
        arrays=held.arrays,
        bad=tuple(sorted(bad)),
        draws=False,
        on_error=on_error,
    )


def _on_canvas(source: Source) -> bool:
    return all(box_of(name) in source.fields for name in source.pictures)


def warn_of_bad(source: Source, bad: Sequence[int]) -> None:
    """Logs which examples were skipped."""
    for index in bad:
        logging.warning("skipped %s: it cannot be decoded", source.where(index))


def batches(
    source: Source,
    batch_size: int,
    *,
    rows: Sequence[int] | None = None,
    canvas: int | None = None,
    on_error: str | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """Gives all examples in their order, for evaluation; the last batch may be smaller.

    Args:
      source: what to read.
      batch_size: examples a batch.
      rows: which examples, in the order that is wanted; None is all.
      canvas: the side of the square that images are put on, in pixels; needed where
        they differ in size.
      on_error: "stop" or "skip" at an example that cannot be decoded; None is what the
        source says. Here a skipped one is left out: `index` says which are there. It is
        the bytes alone that decide, so all processes leave out the same.

    Returns:
      An iterator of batches as those of a loader.

    Raises:
      ValueError: if the batch size is below 1, or images differ in size and there is no
        canvas.
      BadExample: at an example that cannot be decoded, unless it is skipped.

    Example:
      >>> from sslax import data
      >>> shapes = data.synthetic(size=16, length=5)
      >>> [batch["index"].tolist() for batch in data.batches(shapes, 2)]
      [[0, 1], [2, 3], [4]]
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
    on_error = check_on_error(on_error or source.on_error)
    check_shapes(source, canvas)
    wanted = range(len(source)) if rows is None else map(int, rows)
    known_bad = set(source.bad)
    good = [i for i in wanted if i not in known_bad]
    return _batches(source, good, batch_size, canvas, on_error)


def _batches(
    source: Source, good: list[int], batch_size: int, canvas: int | None, on_error: str
) -> Iterator[dict[str, np.ndarray]]:
    fields = batch_fields(source.fields, canvas)
    waiting: list[Example] = []
    for examples, bad in _in_order(
        source, good, canvas=canvas, on_error=on_error, replace=False
    ):
        warn_of_bad(source, bad)
        waiting += examples
        while len(waiting) >= batch_size:
            yield stack(waiting[:batch_size], fields)
            waiting = waiting[batch_size:]
    if waiting:
        yield stack(waiting, fields)
