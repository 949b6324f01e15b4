"""Sources by their short form, one string; and what belongs to it."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sslax.data import _fashion_mnist, _folder, _shard_files, _tfds
from sslax.data._arrays import arrays
from sslax.data._clips import clips
from sslax.data._emoji import prepare_emoji
from sslax.data._fashion_mnist import fashion_mnist, fashion_mnist_sample
from sslax.data._fields import Field
from sslax.data._habitats import habitats
from sslax.data._lit_shapes import lit_shapes
from sslax.data._moving import moving_shapes
from sslax.data._pairs import unpaired
from sslax.data._shards import shards
from sslax.data._sources import Source
from sslax.data._subsets import part
from sslax.data._synthetic import objects, synthetic
from sslax.data._tables import captioned, listed, splits_of
from sslax.data._video_store import prepare_clips

_FORM = re.compile(r"(.+?)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")
_FOLDERS = ("folder", "clips")
_BY_NAME = (*_FOLDERS, "shards")
_PATHS = (*_BY_NAME, "listed", "captioned")
_IMAGE_FILES = ("captioned", "folder", "listed", "shards")
_DRAWN = ("habitats", "lit_shapes", "moving_shapes", "objects", "synthetic")
_SETS = ("fashion_mnist", "fashion_mnist_sample", *_DRAWN)
_CALLS: Mapping[str, Callable[..., Source]] = {
    "captioned": captioned,
    "clips": clips,
    "fashion_mnist": fashion_mnist,
    "fashion_mnist_sample": fashion_mnist_sample,
    "folder": _folder.folder,
    "habitats": habitats,
    "listed": listed,
    "lit_shapes": lit_shapes,
    "moving_shapes": moving_shapes,
    "objects": objects,
    "shards": shards,
    "synthetic": synthetic,
    "tfds": _tfds.tfds,
}


def parse(form: str) -> dict[str, Any]:
    """Reads the short form of a source: the call that it stands for.

    Args:
      form: `SET/SPLIT` of a set of ours or of TFDS, `folder:PATH`, `clips:PATH`,
        `shards:PATH`, `listed:TABLE` or `captioned:PATH`, the last five with `/SPLIT`
        where wanted (for folders one of train, test, val and the like); then for a part
        of it `[:90%]`, `[10%:20%]` or `[:1000]`.

    Returns:
      The call, as a config may write it.

    Raises:
      ValueError: if it cannot be read.

    Example:
      >>> from sslax import data
      >>> data.parse("cifar10/train")
      {'name': 'tfds', 'set': 'cifar10', 'split': 'train'}
      >>> data.parse("folder:/pets/train[:80%]")["of"]
      {'name': 'folder', 'path': '/pets', 'split': 'train'}
    """
    match = _FORM.fullmatch(form)
    if match is None or (form.endswith("]") and match[0] == match[1]):
        raise ValueError(
            f"the data {form!r} are not understood; write 'cifar10/train',"
            " 'cifar10/train[:90%]', 'folder:/path' or 'folder:/path/train[10%:20%]'"
        )
    call = _call(match[1])
    borders = {"start": match[2], "stop": match[3]}
    given = {key: _border(value) for key, value in borders.items() if value}
    return {"name": "part", "of": call, **given} if given else call


def _border(text: str) -> int | str:
    return text if text.endswith("%") else int(text)


def _call(form: str) -> dict[str, Any]:
    kind, colon, path = form.partition(":")
    if colon and kind in _PATHS:
        return {"name": kind, **_path(path, by_name=kind in _BY_NAME)}
    if form.startswith(("/", "./", "../", "~")):
        raise ValueError(f"the data {form!r} are a path; write 'folder:{form}'")
    name, slash, split = form.rpartition("/")
    call = {"name": "tfds", "set": name or form}
    if call["set"] in _SETS:
        call = {"name": call["set"]}
    return {**call, "split": split} if slash else call


def _path(path: str, *, by_name: bool) -> dict[str, str]:
    """A path, and the split after it; for a table it is what follows the file."""
    folder, slash, last = path.rstrip("/").rpartition("/")
    if by_name:
        is_split = last in _folder.SPLITS or last == "all"
    else:
        is_split = Path(folder).suffix in (".csv", ".tsv", ".txt", ".jsonl")
    if slash and folder and is_split:
        return {"path": folder, "split": last}
    return {"path": path}


def source(data: Any, *, like: Field | None = None) -> Source:
    """Opens data by their short form, for reading in any order.

    Every source is a function of this module too (`folder`, `tfds`, `synthetic`, ...),
    with options that the short form does not have.

    Args:
      data: the short form, see `parse`; or images in memory, see `arrays`.
      like: a picture, such as `other.fields["image"]`, whose channels, bits and
        orientation image files are read with; RGB in 8 bits by default.

    Returns:
      A `Source`: `len(source)`; `source[i]` is a dict of `image` uint8 [h w c],
      `index`, and what else the set has, as `label`.

    Raises:
      ValueError: if there is no such set or split, or it is not on the machine; the
        message says how to get it.

    Example:
      >>> from sslax import data
      >>> shapes = data.source("synthetic/train[:10]")
      >>> len(shapes), shapes.num_classes, shapes[3]["image"].shape
      (10, 8, (64, 64, 3))
    """
    if isinstance(data, Source):
        return data
    if isinstance(data, np.ndarray):
        return arrays(data)
    if not isinstance(data, str):
        raise ValueError(
            f"data are of type {type(data).__name__}; expected the short form of a set,"
            " as 'cifar10/train', an array of images, or a Source (data.arrays(images,"
            " labels=...) makes one)"
        )
    return _open(parse(data), like)


def _open(call: Mapping[str, Any], like: Field | None) -> Source:
    options = {key: value for key, value in call.items() if key != "name"}
    if call["name"] == "part":
        return part(**{**options, "of": _open(call["of"], like)})
    made = _CALLS[call["name"]]
    if like is not None and call["name"] in _IMAGE_FILES:
        takes = inspect.signature(made).parameters
        options |= {k: v for k, v in like.reading.items() if k in takes}
    return made(**options)


def described(data: str | Mapping[str, Any]) -> Source | None:
    """What is known of data from their description alone, without any file of theirs.

    Args:
      data: a short form or a call.

    Returns:
      A source without examples, for `shapes`; None where only the files tell more.

    Raises:
      ValueError: if the short form cannot be read.

    Example:
      >>> from sslax import data
      >>> known = data.described("cifar10/train")
      >>> data.shapes(known, batch_size=8)["image"].shape
      (8, 32, 32, 3)
    """
    call = _innermost(data)
    if call.get("name") == "tfds":
        return _tfds.described(call["set"])
    if call.get("name") in ("fashion_mnist", "fashion_mnist_sample"):
        return _fashion_mnist.described()
    if call.get("name") == "unpaired":
        first, second = described(call["first"]), described(call["second"])
        known = first is not None and second is not None
        return unpaired(first=first, second=second) if known else None
    return None


def _innermost(data: str | Mapping[str, Any]) -> dict[str, Any]:
    """The call of the set that a call of parts of it is about."""
    call = parse(data) if isinstance(data, str) else dict(data)
    return _innermost(call["of"]) if "of" in call else call


def test_of(train: str | Mapping[str, Any]) -> dict[str, Any] | None:
    """The call of the labelled part that belongs to training data, if there is one.

    Args:
      train: the training data, as a short form or a call.

    Returns:
      The call of the set's split to evaluate on; None where it has no other split.

    Raises:
      ValueError: if the short form cannot be read, or the set is not on the machine.

    Example:
      >>> from sslax import data
      >>> data.test_of("synthetic/train[:10]")
      {'name': 'synthetic', 'split': 'test'}
    """
    call = _innermost(train)
    name = call.get("name")
    split = None
    if name in _FOLDERS and call.get("split") != "all":
        kind = "video" if name == "clips" else "image"
        split = _folder.other_split(call["path"], kind)
    elif name == "shards" and call.get("split") != "all":
        split = _shard_files.other_split(call["path"])
    elif name == "tfds":
        folder = _tfds.folder_of(call.get("data_dir"))
        split = _tfds.other_split(call["set"], folder)
    elif name in ("listed", "captioned"):
        there = splits_of(Path(call["path"]).expanduser())
        split = next((s for s in _folder.TESTING if s in there), None)
    elif name in _SETS:
        split = "test"
    return None if split in (None, call.get("split")) else {**call, "split": split}


def prepare(
    name: str, data_dir: str | os.PathLike | None = None, **options: int
) -> Path:
    """Downloads or writes a set once, so that it can be read.

    Args:
      name: the bundled sample; a set of tensorflow-datasets, as "cifar10", which needs
        TensorFlow (`pip install 'sslax[tf]'`); a folder of videos, "clips:/path", which
        needs PyAV and more (`pip install 'sslax[video]'`); or the emoji of an npm
        package, "emoji:/path/emoji-datasource-google", to be read by `captioned`.
      data_dir: the folder of prepared sets; the default is that of `tfds`.
      **options: of videos: `size`, `rate` and `mels`, see `clips`.

    Returns:
      The folder of the set.

    Raises:
      ValueError: if there is no such set, or what prepares it is missing.

    Example:
      >>> from sslax import data
      >>> data.prepare("synthetic")
      Traceback (most recent call last):
      ValueError: 'synthetic' needs no preparing
    """
    folder = _tfds.folder_of(data_dir)
    if name.startswith("clips:"):
        return prepare_clips(parse(name)["path"], folder, **options)
    if name.startswith("emoji:") and not options:
        return prepare_emoji(name.removeprefix("emoji:"), folder)
    if options:
        raise ValueError(f"{name!r} takes no {', '.join(options)}: only videos do")
    if name in ("folder", *_DRAWN) or name.startswith("folder:"):
        raise ValueError(f"{name!r} needs no preparing")
    if name == _tfds.SAMPLE:
        return _tfds.prepare_sample(folder)
    _tfds.check_name(name, folder)
    return _tfds.prepare_stock(name, folder)
