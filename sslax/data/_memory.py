"""Whole sets in memory, and what becomes of examples that cannot be read."""

from __future__ import annotations

import collections
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from sslax.data._decode import BAD_IMAGE
from sslax.data._sources import ArraySource, BadExample, Source, check_on_error

log = logging.getLogger(__name__)

_PART = 32


def check_shape(source: Source, canvas: int | None) -> tuple[int, int, int]:
    """The shape that every example of a batch will have.

    Raises:
        ValueError: when images differ in size and there is no canvas.
    """
    if canvas is not None:
        if canvas < 1:
            raise ValueError(f"canvas is {canvas}; it must be a number of pixels")
        return canvas, canvas, source.channels
    if source.image_shape is None:
        raise ValueError(
            f"the images of {source.name} differ in size: give canvas=, the side in"
            " pixels of the square that each is put on, for example canvas=256"
        )
    return source.image_shape


def stack(examples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """One batch of several examples; labels and indices become int32."""
    batch = {key: np.stack([e[key] for e in examples]) for key in examples[0]}
    for key in ("label", "index"):
        batch[key] = batch[key].astype(np.int32)
    return batch


def load_many(
    source: Source,
    indices: Sequence[int],
    canvas: int | None,
    *,
    on_error: str,
    replace: bool,
) -> tuple[list[dict[str, Any]], list[int]]:
    """Some examples, decoded, and the bad ones among them.

    Args:
        source: what to read.
        indices: which examples.
        canvas: the side of their canvas, or None.
        on_error: "stop" raises at a bad one.
        replace: put the next good example at the place of a bad one; else leave it out.
    """
    try:
        read = source.read_many(indices)
        pairs = zip(indices, read, strict=True)
        return [source.finish(example, i, canvas) for i, example in pairs], []
    except BAD_IMAGE:  # one of them is bad: find out which
        examples, bad = [], []
        for index in indices:
            example, skipped = _load_good(source, index, canvas, on_error)
            bad += skipped
            if replace or not skipped:
                examples.append(example)
        return examples, bad


def _load_good(
    source: Source, index: int, canvas: int | None, on_error: str
) -> tuple[dict[str, Any], list[int]]:
    """Example `index`, or by policy the next good one, and the bad ones on the way."""
    bad: list[int] = []
    for candidate in (*range(index, len(source)), *range(index)):
        try:
            return source.load(candidate, canvas), bad
        except BadExample:
            if on_error == "stop":
                raise
            bad.append(candidate)
    raise BadExample(f"none of the {len(source)} examples of {source.name} can be read")


def _in_order(
    source: Source, indices: Sequence[int], **options: Any
) -> Iterator[tuple[list[dict], list[int]]]:
    """`load_many` of many examples in small parts, some ahead of their use."""
    parts = [indices[i : i + _PART] for i in range(0, len(indices), _PART)]
    count = os.cpu_count() or 1
    running: collections.deque[Future] = collections.deque()
    with ThreadPoolExecutor(count) as threads:
        for part in parts:
            running.append(threads.submit(load_many, source, part, **options))
            if len(running) > count:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def in_memory(
    source: Source, *, canvas: int | None = None, on_error: str | None = None
) -> ArraySource:
    """Decode a whole set into arrays.

    Do this once for a set that is read again and again, as one that is evaluated on
    during training; loaders and `batches` take the result as they take any source.

    Args:
        source: any source; one that is in memory already is returned as it is.
        canvas: the side of the square that images are put on, in pixels; needed when
            they differ in size.
        on_error: "stop" or "skip" at an example that cannot be read; None is what the
            source says. A skipped one becomes a copy of the next good one, whose index
            it carries, and is listed in `bad`.

    Returns:
        An `ArraySource`, with `arrays` of `image` uint8 [n h w c], `label` int32 [n],
        `index` int32 [n] and the source's other keys.

    Raises:
        BadExample: at an example that cannot be read, unless it is skipped.

    Example:
        >>> from sslax import data
        >>> shapes = data.in_memory(data.source("synthetic", "train", size=16))
        >>> shapes.arrays["image"].shape
        (1024, 16, 16, 3)
    """
    on_error = check_on_error(on_error or source.on_error)
    check_shape(source, canvas)
    if isinstance(source, ArraySource) and (canvas is None or "box" in source.arrays):
        return source
    arrays: dict[str, np.ndarray] = {}
    bad = set(getattr(source, "bad", ()))
    done = 0
    for examples, bad_here in _in_order(
        source, range(len(source)), canvas=canvas, on_error=on_error, replace=True
    ):
        bad.update(bad_here)
        for key, values in stack(examples).items():
            if key not in arrays:
                arrays[key] = np.empty((len(source), *values.shape[1:]), values.dtype)
            arrays[key][done : done + len(values)] = values
        done += len(examples)
    warn_of_bad(source, sorted(bad))
    return ArraySource(
        arrays,
        bad=sorted(bad),
        name=source.name,
        class_names=source.class_names,
        on_error=on_error,
    )


def warn_of_bad(source: Source, bad: Sequence[int]) -> None:
    """Log which examples were skipped."""
    for index in bad:
        log.warning("skipped %s: it cannot be read", source.where(index))


def batches(
    source: Source,
    batch_size: int,
    *,
    canvas: int | None = None,
    on_error: str | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """All examples in their order, for evaluation; the last batch may be smaller.

    Args:
        source: what to read.
        batch_size: examples a batch.
        canvas: the side of the square that images are put on, in pixels; needed when
            they differ in size.
        on_error: "stop" or "skip" at an example that cannot be read; None is what the
            source says. Here a skipped one is left out.

    Returns:
        An iterator of batches as those of a loader.

    Raises:
        BadExample: at an example that cannot be read, unless it is skipped.

    Example:
        >>> from sslax import data
        >>> shapes = data.source("synthetic", "train", size=16, length=5)
        >>> [batch["index"].tolist() for batch in data.batches(shapes, 2)]
        [[0, 1], [2, 3], [4]]
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
    on_error = check_on_error(on_error or source.on_error)
    check_shape(source, canvas)
    return _batches(source, batch_size, canvas, on_error)


def _batches(
    source: Source, batch_size: int, canvas: int | None, on_error: str
) -> Iterator[dict[str, np.ndarray]]:
    known_bad = set(getattr(source, "bad", ()))
    good = [i for i in range(len(source)) if i not in known_bad]
    waiting: list[dict[str, Any]] = []
    for examples, bad in _in_order(
        source, good, canvas=canvas, on_error=on_error, replace=False
    ):
        warn_of_bad(source, bad)
        waiting += examples
        while len(waiting) >= batch_size:
            yield stack(waiting[:batch_size])
            waiting = waiting[batch_size:]
    if waiting:
        yield stack(waiting)
