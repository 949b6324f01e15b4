"""Random-access sources of examples, and what they all share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sslax.data._decode import BAD_IMAGE, decode, fitted, place, resize

ON_ERROR = ("stop", "skip")
_SPLIT = re.compile(r"(\w+)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")


class BadExample(ValueError):
    """An example that cannot be read; the message names the file or the index."""


class Source:
    """A sequence of examples that can be read in any order, from any process.

    Subclasses define `__len__` and `read`, and may define `where`. An example is a dict
    of `image` (uint8 [h w c]), `label` (int, -1 when unknown), `index` (int, the
    position in this source) and whatever else the source knows.

    Attributes:
        name: what it was opened by.
        class_names: the names of the classes, or None when examples have no label.
        image_shape: (h, w, c) when all images share it, else None.
        channels: channels of the images, 1 or 3.
        on_error: what a loader does at an example that cannot be read, "stop" or
            "skip".
    """

    def __init__(
        self,
        *,
        name: str,
        class_names: Sequence[str] | None = None,
        image_shape: tuple[int, int, int] | None = None,
        channels: int = 3,
        on_error: str = "stop",
    ) -> None:
        self.name = name
        self.class_names = None if class_names is None else tuple(class_names)
        self.image_shape = image_shape
        self.channels = channels
        self.on_error = check_on_error(on_error)

    @property
    def num_classes(self) -> int | None:
        """How many classes there are, None when examples have no label."""
        return None if self.class_names is None else len(self.class_names)

    def __len__(self) -> int:
        """How many examples there are."""
        raise NotImplementedError

    def read(self, index: int) -> dict[str, Any]:
        """Example `index` with its image as uint8 [h w c] or as the bytes of a file."""
        raise NotImplementedError

    def read_many(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Several examples; a source that reads faster in bulk overrides it."""
        return [self.read(i) for i in indices]

    def where(self, index: int) -> str:
        """Where example `index` comes from, for messages."""
        return f"example {index} of {self.name}"

    def slice(self, start: int, stop: int) -> Source:
        """The source of the examples from start to stop, whose indices start at 0."""
        return Subset(self, start, stop)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Example `index`, decoded at its own size."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} examples, not {index}")
        return self.load(int(index) % len(self))

    def load(self, index: int, canvas: int | None = None) -> dict[str, Any]:
        """Example `index`, decoded, on a square canvas with its box when one is given.

        Raises:
            BadExample: when it cannot be read or decoded.
        """
        try:
            return self.finish(self.read(index), index, canvas)
        except BAD_IMAGE as error:
            raise BadExample(
                f"{self.where(index)} cannot be read: {error}. Repair or remove it, or"
                " skip such examples with on_error='skip'"
            ) from error

    def finish(self, example: dict[str, Any], index: int, canvas: int | None) -> dict:
        """Decode and place what `read` returned."""
        image = example["image"]
        if isinstance(image, bytes):
            image = decode(image, channels=self.channels, canvas=canvas)
        example = {**example, "image": image, "index": index}
        return example if canvas is None else on_canvas(example, canvas)


class Subset(Source):
    """The examples of another source from `start` to `stop`."""

    def __init__(self, parent: Source, start: int, stop: int) -> None:
        super().__init__(
            name=f"{parent.name}[{start}:{stop}]",
            class_names=parent.class_names,
            image_shape=parent.image_shape,
            channels=parent.channels,
            on_error=parent.on_error,
        )
        self.parent, self.start, self.stop = parent, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def read(self, index: int) -> dict[str, Any]:
        return self.parent.read(self.start + index)

    def read_many(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        return self.parent.read_many([self.start + i for i in indices])

    def where(self, index: int) -> str:
        return self.parent.where(self.start + index)


class ArraySource(Source):
    """Examples in memory, one array for each key.

    Attributes:
        arrays: `image` uint8 [n h w c], `label` int32 [n], `index` int32 [n], others.
        bad: positions whose example could not be read and is a copy of another one.
    """

    def __init__(
        self, arrays: Mapping[str, np.ndarray], *, bad: Sequence[int] = (), **about: Any
    ) -> None:
        image = arrays["image"]
        super().__init__(
            image_shape=tuple(image.shape[1:]), channels=image.shape[-1], **about
        )
        self.arrays = dict(arrays)
        self.arrays.setdefault("index", np.arange(len(image)))
        self.arrays.setdefault("label", np.full(len(image), -1))
        for key in ("label", "index"):
            self.arrays[key] = np.asarray(self.arrays[key], np.int32)
        self.bad = tuple(bad)

    def __len__(self) -> int:
        return len(self.arrays["image"])

    def read(self, index: int) -> dict[str, Any]:
        example = {key: array[index] for key, array in self.arrays.items()}
        return {**example, "label": int(example["label"])}

    def finish(self, example: dict[str, Any], index: int, canvas: int | None) -> dict:
        # A copy of another example keeps the index of the one that it shows.
        return super().finish(example, int(example["index"]), canvas)

    def slice(self, start: int, stop: int) -> ArraySource:
        arrays = {key: array[start:stop] for key, array in self.arrays.items()}
        own = np.arange(stop - start)
        index = arrays["index"] - start
        # A copy may show an example outside of the slice: here it stands for itself.
        arrays["index"] = np.where((index >= 0) & (index < len(own)), index, own)
        return ArraySource(
            arrays,
            bad=[i - start for i in self.bad if start <= i < stop],
            name=f"{self.name}[{start}:{stop}]",
            class_names=self.class_names,
            on_error=self.on_error,
        )


def on_canvas(example: dict[str, Any], canvas: int) -> dict[str, Any]:
    """Shrink an example to the canvas if need be, place it there and add its box."""
    if "box" in example:  # it lies on a canvas already
        return example
    image = example["image"]
    size = fitted(*image.shape[:2], canvas)
    out = dict(example)
    out["image"], out["box"] = place(resize(image, size), canvas)
    if "foreground" in example:
        foreground = resize(example["foreground"][..., None], size, nearest=True)
        out["foreground"] = place(foreground, canvas)[0][..., 0]
    if "position" in example:
        scale = np.divide(size, image.shape[:2])
        out["position"] = (example["position"] * scale).astype(np.float32)
    return out


def check_on_error(on_error: str) -> str:
    """Return `on_error`, or say which values it may have."""
    if on_error not in ON_ERROR:
        raise ValueError(f"on_error is {on_error!r}; it must be 'stop' or 'skip'")
    return on_error


def require_labels(source: Source, purpose: str) -> None:
    """Stop with a clear message when an evaluation needs labels and there are none.

    Args:
        source: what the evaluation reads.
        purpose: what needs the labels, such as "the linear probe".

    Raises:
        ValueError: when the source has no labels.

    Example:
        >>> from sslax import data
        >>> shapes = data.source("synthetic", "train", size=16, length=4)
        >>> data.require_labels(shapes, "the linear probe")
    """
    if source.num_classes is None:
        raise ValueError(
            f"{purpose} needs labels and {source.name} has none. Put the images of each"
            " class into a folder of its own, or choose a labelled set"
        )


def parse_split(split: str) -> tuple[str, str | None, str | None]:
    """Take a split apart: "train[:10%]" is ("train", None, "10%")."""
    match = _SPLIT.fullmatch(split)
    if match is None:
        raise ValueError(
            f"split {split!r} is not understood; write 'train', 'train[:1000]' or"
            " 'train[10%:20%]'"
        )
    return match[1], match[2], match[3]


def sliced(source: Source, start: str | None, stop: str | None) -> Source:
    """The part of a source between two borders, each a count or a percentage."""
    if start is None and stop is None:
        return source
    first, last, _ = slice(
        _border(start, len(source)), _border(stop, len(source))
    ).indices(len(source))
    if last <= first:
        raise ValueError(
            f"{source.name} has {len(source)} examples: nothing is left of it between"
            f" {start or 'the start'} and {stop or 'the end'}"
        )
    return source.slice(first, last)


def _border(border: str | None, length: int) -> int | None:
    if border is None:
        return None
    if border.endswith("%"):
        return round(length * int(border[:-1]) / 100)
    return int(border)
