"""Whole sets in memory, and what becomes of examples that cannot be read."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from sslax.data._decode import BAD_IMAGE
from sslax.data._sources import ArraySource, BadExample, Source, check_on_error

log = logging.getLogger(__name__)

_CHUNK = 256


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


def load_good(
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
        >>> shapes = data.in_memory(data.source("synthetic", size=16, length=4))
        >>> shapes.arrays["image"].shape
        (4, 16, 16, 3)
    """
    on_error = check_on_error(on_error or source.on_error)
    check_shape(source, canvas)
    if isinstance(source, ArraySource) and (canvas is None or "box" in source.arrays):
        return source
    chunks = [
        range(start, min(start + _CHUNK, len(source)))
        for start in range(0, len(source), _CHUNK)
    ]
    arrays: dict[str, np.ndarray] = {}
    bad: list[int] = []
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        parts = threads.map(lambda c: _load_chunk(source, c, canvas, on_error), chunks)
        for chunk, (part, bad_here) in zip(chunks, parts, strict=True):
            bad += bad_here
            for key, values in part.items():
                if key not in arrays:
                    shape = (len(source), *values.shape[1:])
                    arrays[key] = np.empty(shape, values.dtype)
                arrays[key][chunk.start : chunk.stop] = values
    warn_of_bad(source, bad)
    return ArraySource(
        arrays,
        bad=bad,
        name=source.name,
        class_names=source.class_names,
        on_error=on_error,
    )


def _load_chunk(
    source: Source, chunk: range, canvas: int | None, on_error: str
) -> tuple[dict[str, np.ndarray], list[int]]:
    try:
        many = source.read_many(chunk)
        examples = [
            source.finish(e, i, canvas) for i, e in zip(chunk, many, strict=True)
        ]
        return stack(examples), []
    except BAD_IMAGE:  # one of them is bad: find out which
        loaded = [load_good(source, i, canvas, on_error) for i in chunk]
        bad = [i for i, (_, skipped) in zip(chunk, loaded, strict=True) if skipped]
        return stack([example for example, _ in loaded]), bad


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
        >>> shapes = data.source("synthetic", size=16, length=5)
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
    waiting: list[dict[str, Any]] = []
    for index in range(len(source)):
        if index in known_bad:
            continue
        try:
            waiting.append(source.load(index, canvas))
        except BadExample:
            if on_error == "stop":
                raise
            warn_of_bad(source, [index])
        if len(waiting) == batch_size:
            yield stack(waiting)
            waiting = []
    if waiting:
        yield stack(waiting)
