"""Which tar files a path and a split stand for."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sslax.data._folder import SPLITS, TESTING, TRAINING
from sslax.data._shard_index import check_plain

_PACKED = re.compile(r"(.+)\.(?:tgz|tar\.\w+)")


def shard_files(path: str | os.PathLike, split: str | None) -> list[Path]:
    """The tars of a split, sorted; see `shards`.

    Raises:
      ValueError: if there are none, or one is compressed.
    """
    top = Path(path).expanduser()
    if top.is_dir():
        return _of_split(top, split)
    if split is not None:
        raise ValueError(f"split is {split!r}, but {str(path)!r} is no folder")
    if top.is_file():
        return [top]
    if "{" in str(path):
        pattern = re.sub(r"\{[^}]*\}", "*", str(path))
        raise ValueError(f"braces in {str(path)!r} are not read: write {pattern!r}")
    if not glob.has_magic(str(path)):
        raise ValueError(f"{str(path)!r} does not exist")
    found = sorted(Path(file) for file in glob.glob(str(top)))
    if not found:
        raise ValueError(f"no file matches the pattern {str(path)!r}")
    return found


def other_split(path: str | os.PathLike) -> str | None:
    """Another split of a folder than the training one, if there is one."""
    top = Path(path).expanduser()
    there = _by_split(top, _files(top)) if top.is_dir() else {}
    return next((name for name in TESTING if name in there), None)


def _of_split(top: Path, split: str | None) -> list[Path]:
    files = _files(top)
    _check_unpacked(files)
    there = _by_split(top, files)
    if not there:
        names = [entry.name for entry in sorted(top.iterdir())]
        raise ValueError(f"there is no .tar in {str(top)!r}; it holds {names[:5]}")
    if split == "all":
        return sorted(file for own in there.values() for file in own)
    name = split
    if split is None:
        name = next((name for name in TRAINING if name in there), "")
    elif split == "train" and "train" not in there:
        name = ""
    if name not in there:
        known = ", ".join(sorted(key or "train" for key in there))
        raise ValueError(
            f"{str(top)!r} has no split {name or 'train'!r}; it has {known}"
        )
    return there[name]


def _files(top: Path) -> list[Path]:
    """What lies in a folder and in those of its splits."""
    folders = [top, *(top / name for name in SPLITS if (top / name).is_dir())]
    return sorted(
        entry
        for folder in folders
        for entry in folder.iterdir()
        if not entry.name.startswith(".")
    )


def _by_split(top: Path, files: Sequence[Path]) -> Mapping[str, list[Path]]:
    """The tars among files by split, "" for those of none."""
    found: dict[str, list[Path]] = {}
    for file in files:
        if file.suffix == ".tar":
            words = re.split("[^a-z]+", file.stem.lower())
            words = words if file.parent == top else [file.parent.name]
            split = next((word for word in words if word in SPLITS), "")
            found.setdefault(split, []).append(file)
    return found


def _check_unpacked(files: Sequence[Path]) -> None:
    """Stops at a compressed tar that does not lie there unpacked too."""
    there = set(files)
    for file in files:
        packed = _PACKED.fullmatch(file.name)
        if packed and file.with_name(f"{packed[1]}.tar") not in there:
            check_plain(file)
