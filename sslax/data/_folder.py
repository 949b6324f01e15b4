"""A folder of images, with or without class folders, nested or not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from sslax.data._decode import BAD_IMAGE, size_of
from sslax.data._fields import LABEL, Field, picture
from sslax.data._sources import Example, Source
from sslax.data._walk import SUFFIXES, files_below, walk

TRAINING = ("train", "training")
TESTING = ("test", "testing", "val", "valid", "validation")
SPLITS = frozenset((*TRAINING, *TESTING))
_MEASURED = 64


def folder(
    *,
    path: str | os.PathLike,
    split: str | None = None,
    classes: str = "auto",
    channels: int = 3,
    bits: int = 8,
    upright: bool = False,
) -> Source:
    """Opens a folder of images.

    The class of an image is the first folder on its way down from the split's folder;
    class numbers are those of the classes of all splits together. Images of a format
    that Pillow reads, TIFFs of any bands (`pip install 'sslax[tiff]'`), and arrays
    [h w c] in .npy files are found at any depth.

    Args:
      path: the folder.
      split: a folder in it; "all" for all images below it; None for its folder "train"
        if it has one, else all that is in no folder of another split.
      classes: "folders" takes the first folder as the class, "none" takes no labels,
        "auto" takes folders where there are at least two and every image is in one.
      channels: of the result: 3 turns all images into RGB, 1 into grey; other numbers,
        up to 16, are the bands of TIFFs and of arrays.
      bits: 8 or 16 for each channel.
      upright: turn images as their EXIF orientation says, as photographs of telephones
        need it. The sets of papers are read without, by them as here.

    Returns:
      The source, in the sorted order of the paths.

    Raises:
      ValueError: if there is no such folder or split, or no image in it.

    Example:
      >>> from sslax import data
      >>> data.folder(path="/no/such/folder")
      Traceback (most recent call last):
      ValueError: folder '/no/such/folder' does not exist or is no folder
    """
    check_pixels(channels, bits)
    found = files_of(path, split, classes, kind="image")
    suffix = f"/{split}" if split else ""
    return file_source(
        found.root,
        found.files,
        {"image": _measured(found.root, found.files, channels, bits, upright)},
        labels=found.labels,
        name=f"folder:{path}{suffix}",
        class_names=found.class_names,
    )


class Files(NamedTuple):
    """The files of a split.

    Attributes:
      root: the folder that they are below.
      files: paths relative to it, sorted part by part.
      labels: int32, the number of the class of each, or None.
      class_names: the classes of all splits, or None.
    """

    root: Path
    files: list[str]
    labels: np.ndarray | None
    class_names: tuple[str, ...] | None


def files_of(
    path: str | os.PathLike, split: str | None, classes: str, *, kind: str
) -> Files:
    """The files of a kind in a split of a folder, and their classes; see `folder`.

    Raises:
      ValueError: if there is no such folder or split, or no file in it.
    """
    top = Path(path).expanduser()
    _check(top, path, classes)
    root = _root_of_split(top, split, kind)
    mixed = root == top and split != "all"
    files = files_below(root, kind, leave_out=SPLITS if mixed else ())
    if not files:
        wanted = " ".join(sorted(SUFFIXES[kind]))
        raise ValueError(f"no {kind} below {str(root)!r} (looked for {wanted})")
    names = None
    if classes != "none":
        names = _class_names(top, root, files, classes, kind)
    positions = {name: i for i, name in enumerate(names or ())}
    labels = np.array([positions.get(x, -1) for x in _classes_of(files)], np.int32)
    return Files(
        root, files, labels if names else None, tuple(names) if names else None
    )


def other_split(path: str | os.PathLike, kind: str = "image") -> str | None:
    """The folder of another split than the training one, if there is one with files.

    One with class folders comes before one without.
    """
    top = Path(path).expanduser()
    there = [name for name in TESTING if (top / name).is_dir()]
    there = [name for name in there if any(True for _ in walk(top / name, kind))]
    labelled = [
        name for name in there if any("/" in file for file in walk(top / name, kind))
    ]
    return (labelled or there or [None])[0]


def file_source(
    root: Path,
    files: Sequence[str],
    fields: dict[str, Field],
    *,
    labels: np.ndarray | None,
    **about: Any,
) -> Source:
    """The source of images that are files below a folder, with labels or without."""
    if labels is not None:
        fields = {**fields, "label": LABEL}
    return Source(
        length=len(files),
        read=partial(_read, root, files, labels),
        fields=fields,
        labels=labels,
        files=files,
        locate=partial(_locate, root, files),
        grouped=True,
        **about,
    )


def _read(root: Path, files, labels, indices: Sequence[int], draws) -> list[Example]:
    del draws
    examples = [{"image": (root / files[i]).read_bytes()} for i in indices]
    if labels is None:
        return examples
    pairs = zip(examples, indices, strict=True)
    return [{**example, "label": labels[i]} for example, i in pairs]


def _locate(root: Path, files: Sequence[str], index: int) -> str:
    return str(root / files[index])


def measured(
    files: Sequence[Any],
    channels: int,
    bits: int,
    upright: bool,
    *,
    size: Callable[..., tuple[int, int]] = size_of,
) -> Field:
    """The field of pictures in files: of one size, if the first and some others are.

    Args:
      files: paths, or whatever `size` takes.
      channels: see `folder`.
      bits: see `folder`.
      upright: see `folder`.
      size: `(file, upright=) -> (height, width)`.
    """
    step = -(-len(files) // _MEASURED)
    sizes = set()
    for file in files[::step]:
        try:
            sizes.add(size(file, upright=upright))
        except BAD_IMAGE as error:  # said again, or skipped, when it is its turn
            logging.info("%s could not be measured: %s", file, error)
        if len(sizes) > 1:
            break
    [(height, width)] = sizes if len(sizes) == 1 else [(None, None)]
    made = picture(height, width, channels, f"uint{bits}")
    return made._replace(upright=upright)


def _measured(root, files, channels, bits, upright) -> Field:
    return measured([root / file for file in files], channels, bits, upright)


def check_pixels(channels: int, bits: int) -> None:
    """Raises if images cannot have so many channels or bits."""
    if not 1 <= channels <= 16:
        raise ValueError(f"channels is {channels}; it must be in 1..16")
    if bits not in (8, 16):
        raise ValueError(f"bits is {bits}; it must be 8 or 16")


def _check(top: Path, path: Any, classes: str) -> None:
    if not top.is_dir():
        raise ValueError(f"folder {str(path)!r} does not exist or is no folder")
    if classes not in ("auto", "folders", "none"):
        raise ValueError(
            f"classes is {classes!r}; it must be 'auto', 'folders' or 'none'"
        )


def _root_of_split(top: Path, split: str | None, kind: str) -> Path:
    if split == "all":
        return top
    if split is not None and (top / split).is_dir():
        return top / split
    folders = sorted(entry.name for entry in top.iterdir() if entry.is_dir())
    training = [name for name in TRAINING if name in folders]
    if split is None and training:
        _check_no_class(top, training[0], folders, kind)
        return top / training[0]
    if split in (None, "train"):
        return top
    raise ValueError(
        f"{str(top)!r} has no folder for the split {split!r}; without split folders all"
        f" {kind}s are the split 'train'. It holds the folders: {folders[:10]}"
    )


def _check_no_class(
    top: Path, training: str, folders: Sequence[str], kind: str
) -> None:
    """Stops where "train" may as well be a class, beside "car" and "bus"."""
    inside = any(entry.is_dir() for entry in (top / training).iterdir())
    others = [x for x in folders if x not in SPLITS and not x.startswith(".")]
    others = [x for x in others if any(True for _ in walk(top / x, kind))]
    if others and not inside:
        raise ValueError(
            f"{str(top)!r} holds {kind}s in {training!r} and in {others[:3]}: say"
            f" whether it is a split, folder:{top}/{training}, or a class, split='all'"
        )


def _classes_of(files: Sequence[str]) -> list[str | None]:
    """The class folder of each file, None without; the folder of a split is none."""
    firsts = {file.split("/")[0] for file in files if "/" in file}
    only_splits = firsts <= SPLITS
    return [_class_of(file.split("/")[:-1], only_splits) for file in files]


def _class_of(folders: list[str], only_splits: bool) -> str | None:
    if folders and folders[0] in SPLITS and (only_splits or len(folders) > 1):
        folders = folders[1:]
    return folders[0] if folders else None


def _class_names(
    top: Path, root: Path, files: Sequence[str], classes: str, kind: str
) -> list[str] | None:
    """Sorted names of the class folders; those of all splits, so that ids agree."""
    own = set(_classes_of(files))
    if None in own and classes == "folders":
        raise ValueError(
            f"classes='folders', but {kind}s lie directly in {str(root)!r}, in no class"
            " folder"
        )
    if None in own:
        if len(own) > 2:
            logging.warning(
                "%s: some %ss lie in no class folder: no labels", root, kind
            )
        return None
    names = {str(name) for name in own}
    if root != top:
        for sibling in top.iterdir():
            known = sibling.name in SPLITS or root.name not in SPLITS
            if known and sibling != root and sibling.is_dir():
                names |= _folders_with(kind, sibling)
    return None if classes == "auto" and len(names) < 2 else sorted(names)


def _folders_with(kind: str, split: Path) -> set[str]:
    folders = [x for x in split.iterdir() if x.is_dir() and x.name[0] != "."]
    return {x.name for x in folders if any(True for _ in walk(x, kind))}
