"""Where the examples of a tar lie: an index that is made once and kept."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging

IMAGES = ("jpg", "jpeg", "png", "webp")
NO_TEXT, TXT, JSON = range(3)
NO_LABEL = -1

ENTRY = np.dtype(
    [
        ("head", np.int64),
        ("image", np.int64),
        ("image_size", np.uint32),
        ("text", np.int64),
        ("text_size", np.uint32),
        ("text_kind", np.int8),
        ("label", np.int32),
    ]
)
"""An example: bytes of the tar at which the header of its image, the image and its
text begin, and how many they are; `NO_TEXT`, `TXT` or `JSON`; and its class."""

_MEANING = 1  # of the entries: another number makes all indices anew
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)")
_UNPACK: Mapping[bytes, str] = {
    b"\x1f\x8b": "gunzip",
    b"BZh": "bunzip2",
    b"\xfd7zXZ": "unxz",
    b"\x28\xb5\x2f\xfd": "unzstd",
}


class _Member(NamedTuple):
    key: str
    extension: str
    info: tarfile.TarInfo


def index_of(path: Path, store: Path) -> np.ndarray:
    """The examples of a tar, `ENTRY` [n], in their order.

    Args:
      path: the tar.
      store: the folder where indices are kept, by path, size and time of the tar.

    Raises:
      ValueError: if it is compressed, cut off, or its members are no examples.
    """
    status = path.stat()
    about = f"{_MEANING} {path.resolve()} {status.st_size} {status.st_mtime_ns}"
    file = store / f"{hashlib.sha256(os.fsencode(about)).hexdigest()[:32]}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        kept = np.load(file)
        if kept.dtype == ENTRY:
            return kept
    made = _indexed(path)
    _keep(file, made)
    return made


def check_plain(path: Path) -> None:
    """Stops at a compressed tar: to read its last member all of it is unpacked."""
    with path.open("rb") as file:
        start = file.read(8)
    for magic, command in _UNPACK.items():
        if start.startswith(magic):
            raise ValueError(
                f"{str(path)!r} is compressed, and its members cannot be read in any"
                f" order. Unpack it once: {command} {path} (images are hardly larger"
                " then)"
            )


def _keep(file: Path, index: np.ndarray) -> None:
    """Writes an index whole or not at all."""
    made = file.with_name(f".{file.stem}.{os.getpid()}.npy")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(made, index)
        made.replace(file)
    except OSError as error:  # it is made again the next time
        logging.warning("an index of shards could not be kept: %s", error)


def _indexed(path: Path) -> np.ndarray:
    check_plain(path)
    try:
        with tarfile.open(path, "r:") as tar:
            index = np.fromiter(_entries(tar, path), ENTRY)
            _check_end(path, tar.offset)
    except tarfile.TarError as error:
        raise ValueError(
            f"{str(path)!r} is no whole tar file: {error}. Write or copy it again"
        ) from error
    return index


def _entries(tar: tarfile.TarFile, path: Path) -> Iterator[tuple]:
    keys = set()
    for key, group in itertools.groupby(_members(tar), lambda member: member.key):
        if key in keys:
            raise ValueError(
                f"{str(path)!r} has the key {key!r} twice; the members of an example"
                " follow each other"
            )
        keys.add(key)
        yield _entry(tar, f"{key!r} in {str(path)!r}", [*group])


def _members(tar: tarfile.TarFile) -> Iterator[_Member]:
    """Files that belong to an example: the name up to the first dot is its key."""
    while (info := tar.next()) is not None:
        tar.members.clear()  # it would remember all of them
        name = _NAME.fullmatch(info.name)
        if info.isfile() and name is not None:
            yield _Member(name[1], name[2].lower(), info)


def _check_end(path: Path, offset: int) -> None:
    """Stops where no mark of the end follows the last member that could be read."""
    with path.open("rb") as file:
        file.seek(offset)
        block = file.read(tarfile.BLOCKSIZE)
    if block != bytes(tarfile.BLOCKSIZE):
        raise ValueError(
            f"{str(path)!r} is cut off or damaged: at byte {offset} neither a member"
            " nor the end of the tar begins. Write or copy it again"
        )


def _entry(tar: tarfile.TarFile, where: str, members: list[_Member]) -> tuple:
    by = {member.extension: member.info for member in members}
    if len(by) < len(members):
        names = [member.info.name for member in members]
        raise ValueError(f"{where} has a member twice: {', '.join(names)}")
    images = [by[extension] for extension in IMAGES if extension in by]
    if len(images) != 1:
        raise ValueError(
            f"{where} has {len(images) or 'no'} images among its members"
            f" {', '.join(by)}; expected one of {', '.join(IMAGES)}"
        )
    [image] = images
    text = by.get("txt") or by.get("json")
    kind = NO_TEXT if text is None else TXT if "txt" in by else JSON
    label = _label(tar, by["cls"], where) if "cls" in by else NO_LABEL
    lies = (0, 0) if text is None else (text.offset_data, text.size)
    return (image.offset, image.offset_data, image.size, *lies, kind, label)


def _label(tar: tarfile.TarFile, info: tarfile.TarInfo, where: str) -> int:
    file = tar.extractfile(info)
    content = b"" if file is None else file.read(32).strip()
    if not content.isdigit() or int(content) >= 2**31:
        raise ValueError(
            f"the class (.cls) of {where} is {content.decode(errors='replace')!r};"
            " expected a number, from 0 on"
        )
    return int(content)
