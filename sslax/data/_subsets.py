"""Parts of sources: slices, fractions, few labels, lists."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from sslax.data._arrays import in_arrays, row_of
from sslax.data._fields import Example
from sslax.data._sources import Read, Source, numbered, read_labels

READ_LABELS = 100_000
"""Up to how many examples labels are read, where they are not known, to stratify."""


def part(
    *, of: Source, start: int | str | None = None, stop: int | str | None = None
) -> Source:
    """The examples of a source between two borders: what `set/train[10%:20%]` means.

    A set that has an order is cut. Of folders, where examples stand by class, a part is
    drawn instead, the same every time, with every class in proportion: `[:80%]` and
    `[80%:]` still share nothing and leave nothing out.

    Args:
      of: the source.
      start: a count, or a percentage as "10%"; negative ones count from the end.
      stop: likewise.

    Returns:
      The source of the part, with positions of its own.

    Raises:
      ValueError: if nothing is left.

    Example:
      >>> from sslax import data
      >>> len(data.part(of=data.synthetic(size=16, length=50), stop="20%"))
      10
    """
    if start is None and stop is None:
        return of
    first, last, _ = slice(_border(start, len(of)), _border(stop, len(of))).indices(
        len(of)
    )
    if last <= first:
        raise ValueError(
            f"{of.name} has {len(of)} examples: nothing is left of it between"
            f" {start or 'the start'} and {stop or 'the end'}"
        )
    indices = np.arange(first, last)
    if of.grouped:
        indices = np.sort(spread(of.labels, len(of), seed=0)[first:last])
    name = f"{of.name}[{'' if start is None else start}:{'' if stop is None else stop}]"
    return chosen(of, indices, name=name)


def subset(
    *,
    of: Source,
    fraction: float | None = None,
    per_class: int | None = None,
    file: str | os.PathLike | None = None,
    seed: int = 0,
) -> Source:
    """Some examples of a source, the same every time.

    Args:
      of: the source.
      fraction: this share of it, with every class in proportion where labels are known,
        or can be read from at most 100,000 examples.
      per_class: this many of each class.
      file: a list, one a line: files as they lie below the folder, or their bare names;
        or positions in the source.
      seed: of what is drawn.

    Returns:
      The source of the part, with positions of its own.

    Raises:
      ValueError: unless exactly one of fraction, per_class and file is given and can be
        met.

    Example:
      >>> from sslax import data
      >>> few = data.subset(of=data.synthetic(size=16, length=80), per_class=2)
      >>> sorted(few[i]["label"] for i in range(len(few)))
      [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]
    """
    ways = {"fraction": fraction, "per_class": per_class, "file": file}
    given = {key: value for key, value in ways.items() if value is not None}
    if len(given) != 1:
        raise ValueError(
            f"subset needs one of fraction, per_class and file; got {given or 'none'}"
        )
    if fraction is not None:
        indices = _fraction(of, fraction, seed)
    elif per_class is not None:
        indices = _per_class(of, per_class, seed)
    else:
        indices = _listed(of, Path(str(file)).expanduser())
    [(key, value)] = given.items()
    name = f"subset of {of.name} ({key} {value})"
    return chosen(of, np.sort(indices), name=name)


def _fraction(source: Source, fraction: float, seed: int) -> np.ndarray:
    count = round(fraction * len(source))
    if not 0 < fraction <= 1 or count < 1:
        raise ValueError(
            f"fraction is {fraction}, of {len(source)} examples; expected one in (0, 1]"
            " that leaves at least one"
        )
    labels = source.labels
    if labels is None and source.num_classes and len(source) <= READ_LABELS:
        labels = read_labels(source)
    return spread(labels, len(source), seed=seed)[:count]


def _per_class(source: Source, count: int, seed: int) -> np.ndarray:
    if count < 1:
        raise ValueError(f"per_class is {count}; it must be at least 1")
    labels = read_labels(source)
    order = np.random.default_rng(seed).permutation(len(source))
    ranks, counts = _ranks(labels[order])
    if counts.min() < count:
        raise ValueError(
            f"per_class is {count}, but a class of {source.name} has only"
            f" {counts.min()} examples"
        )
    return order[ranks < count]


def _listed(source: Source, file: Path) -> np.ndarray:
    lines = [line.strip() for line in file.read_text().splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{str(file)!r} lists nothing")
    return np.unique(places_of(source, lines, said=f"{str(file)!r} lists"))


def places_of(
    source: Source, names: Sequence[str], *, said: str = "asked for are"
) -> np.ndarray:
    """Where examples stand in a source.

    Args:
      source: the data.
      names: positions; or files as they lie below the folder, by their bare names, or
        by their whole paths.
      said: how messages begin.

    Returns:
      Positions, int64, in the order of the names.

    Raises:
      ValueError: if one of them is not there.

    Example:
      >>> from sslax import data
      >>> data.places_of(data.synthetic(length=8), ["3", "0"]).tolist()
      [3, 0]
    """
    if all(name.isdecimal() for name in names):
        indices = np.array(names, np.int64)
        if indices.max(initial=0) >= len(source):
            raise ValueError(
                f"{said} {indices.max()}; {source.name} has {len(source)} examples"
            )
        return indices
    if source.files is None:
        raise ValueError(
            f"{said} names, as {names[0]!r}, but {source.name} has no files; give"
            " positions"
        )
    places = {Path(name).name: i for i, name in enumerate(source.files)}
    places |= {name: i for i, name in enumerate(source.files)}
    if not places.keys() >= set(names):
        places |= {source.where(i): i for i in range(len(source))}
    lost = [name for name in names if name not in places]
    if lost:
        raise ValueError(
            f"{said} {len(lost)} files that {source.name} does not have, the first"
            f" {lost[0]!r}; it has, for example, {source.files[0]!r}"
        )
    return np.array([places[name] for name in names], np.int64)


def _border(border: int | str | None, length: int) -> int | None:
    if isinstance(border, str) and border.endswith("%"):
        return round(length * int(border[:-1]) / 100)
    return None if border is None else int(border)


def _ranks(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The how-manieth of its class each is, and the counts of the classes there are."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_class = np.argsort(inverse, kind="stable")
    ranks = np.empty(len(labels), np.int64)
    starts = np.cumsum(counts) - counts
    ranks[by_class] = np.arange(len(labels)) - np.repeat(starts, counts)
    return ranks, counts


def spread(labels: np.ndarray | None, length: int, *, seed: int) -> np.ndarray:
    """A seeded order, of which every stretch holds the classes in proportion.

    The j-th of the n examples of a class stands at (j + 1/2) / n of the way.
    """
    order = np.random.default_rng(seed).permutation(length)
    if labels is None:
        return order
    drawn = labels[order]
    ranks, counts = _ranks(drawn)
    _, inverse = np.unique(drawn, return_inverse=True)
    return order[np.argsort((ranks + 0.5) / counts[inverse], kind="stable")]


def chosen(source: Source, indices: np.ndarray, *, name: str) -> Source:
    """The source of some examples of another, in this order."""
    if source.arrays is not None:
        # A copy of an example that is not there stands for itself.
        rows = {k: a for k, a in row_of(source.arrays, indices).items() if k != "index"}
        held = in_arrays(rows, source.fields, name=name)
        read, arrays = held.read, held.arrays
    else:
        read, arrays = partial(_read, source.read, indices), None
    bad = np.flatnonzero(np.isin(indices, source.bad))
    captions = source.captions and partial(_captions, source.captions, indices)
    beneath = source.beneath
    if beneath:
        beneath = (chosen(beneath[0], indices, name=name), beneath[1])
    locate = source.locate or partial(numbered, source.name)
    return dataclasses.replace(
        source,
        name=name,
        length=len(indices),
        read=read,
        arrays=arrays,
        labels=None if source.labels is None else source.labels[indices],
        files=None if source.files is None else [source.files[i] for i in indices],
        locate=partial(_locate, locate, indices),
        bad=tuple(bad.tolist()),
        captions=captions,
        beneath=beneath,
    )


def _read(
    read: Read, chosen: np.ndarray, indices: Sequence[int], draws: Sequence[int]
) -> list[Example]:
    return read([int(chosen[i]) for i in indices], draws)


def _captions(captions, chosen: np.ndarray, index: int) -> Sequence[str]:
    return captions(int(chosen[index]))


def _locate(where, chosen: np.ndarray, index: int) -> str:
    return where(int(chosen[index]))
