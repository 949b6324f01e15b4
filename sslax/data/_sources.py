"""Random-access sources of examples: values made of functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sslax.data._decode import BAD_IMAGE, opencv
from sslax.data._fields import Example, Field, decoded, on_canvas, pictures

ON_ERROR = ("stop", "skip")
RESIZE = ("pillow", "opencv")

Read = Callable[[Sequence[int], Sequence[int]], list[Example]]


class BadExample(ValueError):
    """An example that cannot be decoded; the message names the file or the index."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Source:
    """Examples that can be read in any order, from any process.

    An example is a dict of the source's fields and `index`, its position.

    Attributes:
      name: what it was opened by.
      length: how many examples there are.
      read: `(indices, draws) -> examples`, with pictures as arrays or as the bytes of
        files. A draw is a random number for each: a source that draws something afresh
        each time (one of several captions) takes it from there.
      fields: by name, without `index`.
      class_names: the names of the classes, or None where examples have no label.
      labels: int32 [n], where they are known without reading the examples.
      files: the files of the examples, where each is one.
      marks: what tells the files from others where many examples share one, by name;
        see `fingerprint`.
      locate: `index -> str`, for messages.
      arrays: all examples in one array a field, where they are in memory.
      bad: positions in memory whose example is a copy, as it could not be decoded.
      grouped: whether examples stand by class, or by folder: a part of them is then
        drawn from all, not cut.
      draws: whether `read` uses its draws.
      captions: `index -> texts`, of examples that have some; see `tokenized`.
      beneath: what is read under what is drawn afresh, and how the one is made of the
        other: `(source, source -> source)`; the first can be held in memory.
      on_error: what is done at an example that cannot be decoded, "stop" or "skip".
      resize: what shrinks pictures to a canvas: "pillow", or "opencv", which differs
        from it by less than one of 255 in the mean, and is faster.
    """

    name: str
    length: int
    read: Read
    fields: Mapping[str, Field]
    class_names: tuple[str, ...] | None = None
    labels: np.ndarray | None = None
    files: Sequence[str] | None = None
    marks: Callable[[], Mapping[str, str]] | None = None
    locate: Callable[[int], str] | None = None
    arrays: Mapping[str, np.ndarray] | None = None
    bad: tuple[int, ...] = ()
    grouped: bool = False
    draws: bool = False
    captions: Callable[[int], Sequence[str]] | None = None
    beneath: tuple[Source, Callable[[Source], Source]] | None = None
    on_error: str = "stop"
    resize: str = "pillow"

    def __post_init__(self) -> None:
        """Raises if `on_error` or `resize` is not one of its choices."""
        check_on_error(self.on_error)
        check_resize(self.resize)

    @property
    def num_classes(self) -> int | None:
        """How many classes there are, None where examples have no label."""
        return None if self.class_names is None else len(self.class_names)

    @property
    def pictures(self) -> tuple[str, ...]:
        """The names of the fields that are pictures."""
        return pictures(self.fields)

    def __len__(self) -> int:
        """How many examples there are."""
        return self.length

    def __getitem__(self, index: int) -> Example:
        """Example `index`, decoded at its own size."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} examples, not {index}")
        return self.load(int(index) % len(self))

    def __repr__(self) -> str:
        """The name and the number of examples."""
        return f"Source({self.name!r}, {self.length} examples)"

    def where(self, index: int) -> str:
        """Where example `index` comes from, for messages."""
        return self.locate(index) if self.locate else numbered(self.name, index)

    def load(self, index: int, canvas: int | None = None) -> Example:
        """Example `index`, decoded, on a square canvas with its box where one is given.

        Raises:
          BadExample: if it cannot be decoded.
          OSError: if it cannot be read.
        """
        [example] = self.read([index], still_draws([index]))
        return finish(self, example, index, canvas)


def numbered(name: str, index: int) -> str:
    """How an example is called that is no file."""
    return f"example {index} of {name}"


def finish(source: Source, example: Example, index: int, canvas: int | None) -> Example:
    """Decodes and places what `read` returned.

    Only what the decoders say of the bytes makes an example bad: a fault of the machine
    (no such file, too many open files, a network that is away) is raised as it is, and
    never skipped.
    """
    try:
        example = decoded(example, source.fields, canvas, source.resize)
    except BAD_IMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BadExample(
            f"{source.where(index)} cannot be decoded: {error}. Repair or remove it, or"
            " skip such examples with on_error='skip'"
        ) from error
    # A copy of another example keeps the index of the one that it shows.
    example.setdefault("index", index)
    if canvas is not None:
        return on_canvas(example, source.fields, canvas, source.resize)
    for name in source.pictures:
        _check_size(source, name, example[name], index)
    return example


def _check_size(source: Source, name: str, image: np.ndarray, index: int) -> None:
    wanted = source.fields[name].shape
    if None not in wanted and image.shape != wanted:
        sizes = [f"{h} x {w}" for h, w in (image.shape[:2], wanted[:2])]
        raise ValueError(
            f"{source.where(index)} is of {sizes[0]} pixels, the first ones of"
            f" {source.name} of {sizes[1]}: give canvas=, the side in pixels of the"
            " square that each is put on (--config.data.canvas=256)"
        )


def still_draws(indices: Sequence[int]) -> list[int]:
    """Draws that are always the same for an example, for evaluation."""
    return [(int(i) * 0x9E3779B97F4A7C15 % 2**64) >> 33 for i in indices]


def check_on_error(on_error: str) -> str:
    """Returns `on_error`, or says which values it may have."""
    if on_error not in ON_ERROR:
        raise ValueError(f"on_error is {on_error!r}; it must be 'stop' or 'skip'")
    return on_error


def check_resize(resize: str) -> None:
    """Says which values `resize` may have, or what there is to install."""
    if resize not in RESIZE:
        raise ValueError(f"resize is {resize!r}; it must be 'pillow' or 'opencv'")
    if resize == "opencv":
        opencv()


def require_labels(source: Source, purpose: str) -> None:
    """Stops with a clear message where an evaluation needs labels and there are none.

    Args:
      source: what the evaluation reads.
      purpose: what needs the labels, such as "the linear probe".

    Raises:
      ValueError: if the source has no labels.

    Example:
      >>> from sslax import data
      >>> data.require_labels(data.synthetic(size=16, length=4), "the linear probe")
    """
    if source.num_classes is None:
        raise ValueError(
            f"{purpose} needs labels and {source.name} has none. Put the images of each"
            " class into a folder of its own, or choose a labelled set"
        )


def read_labels(source: Source) -> np.ndarray:
    """Gives the label of every example, read where they are not known.

    Args:
      source: the data.

    Returns:
      Class numbers, int32 [n].

    Raises:
      ValueError: if the source has no labels.

    Example:
      >>> from sslax import data
      >>> data.read_labels(data.synthetic(length=10)).tolist()
      [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
    """
    require_labels(source, "this")
    if source.labels is not None:
        return source.labels
    labels = np.empty(len(source), np.int32)
    for start in range(0, len(source), 1024):
        indices = range(start, min(start + 1024, len(source)))
        read: list[Any] = source.read(indices, still_draws(indices))
        labels[indices] = [example["label"] for example in read]
    return labels
