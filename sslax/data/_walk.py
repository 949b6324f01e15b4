"""The images, or the videos, below a folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from absl import logging

SUFFIXES: Mapping[str, frozenset[str]] = {
    "image": frozenset(
        (
            *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
            *(".ppm", ".pgm", ".npy"),
        )
    ),
    "video": frozenset(
        (
            *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"),
            *(".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".ogv"),
        )
    ),
}
"""What the files of a kind are called, from the last dot on."""


def files_below(root: Path, kind: str, *, leave_out: Collection[str] = ()) -> list[str]:
    """Paths of files of a kind relative to the root, sorted part by part.

    Args:
      root: the folder.
      kind: "image" or "video".
      leave_out: names of folders directly below the root that are passed over.
    """
    found = walk(root, kind, leave_out=leave_out)
    return sorted(found, key=lambda file: file.split("/"))


def walk(root: Path, kind: str, *, leave_out: Collection[str] = ()) -> Iterator[str]:
    """Gives the paths of files of a kind below a folder, relative to it.

    Links are followed, but every real folder is read once: a link to a folder that
    holds it would lead on for ever.
    """
    waiting, links, seen = [""], [], set()
    while waiting or links:
        folder = waiting.pop() if waiting else links.pop()
        status = os.stat(root / folder)
        if (status.st_dev, status.st_ino) in seen:
            logging.warning("%s leads to a folder that was read", root / folder)
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in _entries(root / folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not entry.is_dir() and _is_of(kind, entry):
                yield path
            elif entry.is_dir() and (folder or entry.name not in leave_out):
                (links if entry.is_symlink() else waiting).append(path)
        links.sort(reverse=True)  # the real folders come first, then links in order


def _entries(folder: Path) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _is_of(kind: str, entry: os.DirEntry) -> bool:
    if os.path.splitext(entry.name)[1].lower() not in SUFFIXES[kind]:
        return False
    if not entry.is_file():
        logging.warning("left out %s: it is no file, or leads nowhere", entry.path)
        return False
    return True
