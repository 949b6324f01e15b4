"""Images in tar files, many in each, with captions or classes: WebDataset's shards."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from sslax.data._decode import size_of
from sslax.data._fields import LABEL, Example
from sslax.data._fingerprint import digest
from sslax.data._folder import check_pixels, measured
from sslax.data._shard_files import shard_files
from sslax.data._shard_index import JSON, NO_LABEL, NO_TEXT, TXT, index_of
from sslax.data._sources import Source
from sslax.data._tfds import default_data_dir, folder_of

_LOOKED = 64
_SAID = 100


class _Tars(NamedTuple):
    """Tars and where their examples lie.

    Attributes:
      files: the tars.
      starts: the example that each begins with, int64, and the number of all.
      rows: an entry of the index for each example.
    """

    files: Sequence[Path]
    starts: np.ndarray
    rows: np.ndarray

    def file(self, index: int) -> Path:
        """The tar that an example lies in."""
        return self.files[np.searchsorted(self.starts, index, side="right") - 1]


def shards(
    *,
    path: str | os.PathLike,
    split: str | None = None,
    channels: int = 3,
    bits: int = 8,
    upright: bool = False,
    class_names: Sequence[str] | None = None,
    data_dir: str | os.PathLike | None = None,
) -> Source:
    """Opens tar files of images with captions or classes, as WebDataset writes them.

    An example is the members that follow each other in a tar and have one name up to
    the first dot. What follows the dot says what a member is: the image (jpg, jpeg,
    png, webp), its caption (txt; or of a json the field `caption`, or `captions`, a
    list), its class (cls, a number). Other members are passed over.

    Where the members lie is found once, by their headers, and kept beside the prepared
    sets; a tar that changes its size or time is read anew.

    Args:
      path: a folder of .tar files, one of them, or a pattern, as "/cc3m/train-*.tar".
      split: of a folder, the tars in its folder of this name, or with this word in
        their names, as train-0001.tar; "all" for all of them; None for "train" where
        there are some, else for those of no split.
      channels: of the result, see `folder`.
      bits: 8 or 16 for each channel.
      upright: turn images as their EXIF orientation says.
      class_names: the names of the classes; by default their numbers, up to the largest
        there is.
      data_dir: the folder of prepared sets; the default is that of `tfds`.

    Returns:
      The source, in the order of the names of the tars, with `captions` and `label`
      where the tars have them.

    Raises:
      ValueError: if there is no such tar or split; a tar is compressed, cut off or has
        a key twice; or an example has no image, or no caption or class where others do.

    Example:
      >>> from sslax import data
      >>> data.shards(path="/no/such.tar")
      Traceback (most recent call last):
      ValueError: '/no/such.tar' does not exist
    """
    check_pixels(channels, bits)
    files = shard_files(path, split)
    tars = _opened(files, folder_of(data_dir) or default_data_dir())
    name = f"shards:{path}" + (f"/{split}" if split else "")
    if not len(tars.rows):
        raise ValueError(f"there is no image in the {len(files)} tars of {name}")
    labels, names = _labels(tars, class_names)
    size = partial(_size, tars)
    image = measured(range(len(tars.rows)), channels, bits, upright, size=size)
    return Source(
        name=name,
        length=len(tars.rows),
        read=partial(_read, tars, labels),
        fields={"image": image} | ({} if labels is None else {"label": LABEL}),
        class_names=names,
        labels=labels,
        locate=partial(_locate, tars),
        captions=partial(_captions, tars) if _has_captions(tars) else None,
        marks=partial(_marks, tars),
    )


def _opened(files: Sequence[Path], folder: Path) -> _Tars:
    """The index of all tars; several are read at a time."""
    rows = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        for found in threads.map(partial(index_of, store=folder / "shards"), files):
            rows.append(found)
            if len(rows) % _SAID == 0:
                logging.info("%d of %d shards are indexed", len(rows), len(files))
    starts = np.cumsum([0, *map(len, rows)])
    return _Tars(files, starts, np.concatenate(rows))


def _marks(tars: _Tars) -> dict[str, str]:
    sizes = [tars.rows[f"{what}_size"].tobytes() for what in ("image", "text")]
    return {
        "names": digest(file.name for file in tars.files),
        "sizes": hashlib.sha256(b"".join(sizes)).hexdigest()[:16],
    }


def _labels(
    tars: _Tars, names: Sequence[str] | None
) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    labels = np.ascontiguousarray(tars.rows["label"])
    lacking = np.flatnonzero(labels == NO_LABEL)
    if len(lacking) == len(labels):
        return None, None
    _check_all(tars, lacking, "no class (.cls)")
    most = int(labels.max())
    made = tuple(map(str, range(most + 1))) if names is None else tuple(names)
    if most >= len(made):
        raise ValueError(f"a class is {most}, but there are {len(made)} class_names")
    return labels, made


def _has_captions(tars: _Tars) -> bool:
    """Whether examples have captions; if so, all need one."""
    kinds = tars.rows["text_kind"]
    if not (kinds == TXT).any():
        about = np.flatnonzero(kinds == JSON)  # of which most tell other things
        step = -(-len(about) // _LOOKED) or 1
        if not any(_told(tars, int(i)) for i in about[::step]):
            return False
    _check_all(tars, np.flatnonzero(kinds == NO_TEXT), "no caption (.txt or .json)")
    empty = (kinds == TXT) & (tars.rows["text_size"] == 0)
    _check_all(tars, np.flatnonzero(empty), "an empty caption")
    return True


def _check_all(tars: _Tars, places: np.ndarray, what: str) -> None:
    """Stops where there are examples that lack what others have."""
    if len(places):
        raise ValueError(
            f"{len(places)} of {len(tars.rows)} examples have {what}, unlike others;"
            f" the first is {_locate(tars, int(places[0]))}"
        )


def _read(
    tars: _Tars, labels: np.ndarray | None, indices: Sequence[int], draws
) -> list[Example]:
    del draws
    examples: list[Example] = [{"image": _content(tars, i, "image")} for i in indices]
    if labels is not None:
        for example, i in zip(examples, indices, strict=True):
            example["label"] = labels[i]
    return examples


def _content(tars: _Tars, index: int, what: str) -> bytes:
    """The bytes of the image or of the text of an example."""
    row = tars.rows[index]
    size = int(row[f"{what}_size"])
    with open(tars.file(index), "rb", buffering=0) as file:
        file.seek(int(row[what]))
        content = file.read(size)
    if len(content) < size:
        raise ValueError(
            f"{str(tars.file(index))!r} has become shorter since it was opened"
        )
    return content


def _size(tars: _Tars, index: int, *, upright: bool) -> tuple[int, int]:
    return size_of(io.BytesIO(_content(tars, index, "image")), upright=upright)


def _captions(tars: _Tars, index: int) -> tuple[str, ...]:
    several = _told(tars, index)
    if not several or not all(isinstance(x, str) and x.strip() for x in several):
        raise ValueError(
            f"the text of {_locate(tars, index)} is no caption: {several or None}"
        )
    return tuple(caption.strip() for caption in several)


def _told(tars: _Tars, index: int) -> list[Any]:
    """The captions of an example, whatever they are; none where a json has none."""
    try:
        text = _content(tars, index, "text").decode("utf-8-sig")
        if tars.rows[index]["text_kind"] == TXT:
            return [text]
        about = json.loads(text)
    except ValueError as error:
        kind = "UTF-8" if isinstance(error, UnicodeDecodeError) else "JSON"
        raise ValueError(
            f"the text of {_locate(tars, index)} is not {kind}: {error}"
        ) from error
    about = about if isinstance(about, dict) else {}
    several = about.get("captions", about.get("caption"))
    if several is None:
        return []
    return several if isinstance(several, list) else [several]


def _locate(tars: _Tars, index: int) -> str:
    """The name of the image and its tar, which is read for it."""
    head = int(tars.rows[index]["head"])
    name = f"the image at byte {head}"
    try:
        with tars.file(index).open("rb") as file:
            file.seek(head)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                member = tar.next()
                name = name if member is None else member.name
    except (OSError, tarfile.TarError):  # it is asked for in messages
        pass
    return f"{name} in {tars.file(index)}"
