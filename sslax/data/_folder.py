"""A folder of images, with or without class folders, nested or not."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sslax.data._sources import Source

log = logging.getLogger(__name__)

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
)
_SPLITS = ("train", "val", "valid", "validation", "test")


class FolderSource(Source):
    """The images below a folder, in the sorted order of their paths."""

    def __init__(
        self, root: Path, files: Sequence[str], labels: Sequence[int], **about: Any
    ) -> None:
        super().__init__(**about)
        self.root, self.files, self.labels = root, tuple(files), tuple(labels)

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int) -> dict[str, Any]:
        content = (self.root / self.files[index]).read_bytes()
        return {"image": content, "label": self.labels[index]}

    def where(self, index: int) -> str:
        return str(self.root / self.files[index])


def open_folder(
    split: str,
    *,
    path: str | os.PathLike,
    classes: str = "auto",
    channels: int = 3,
    on_error: str = "stop",
) -> FolderSource:
    """The images of one split below `path`.

    When `path` holds a folder named as the split, the images are taken from there;
    otherwise all images are the split "train" (or "all"). The class of an image is the
    first folder on its way down from there.

    Args:
        split: "train", "all", or the name of a folder in `path`.
        path: the folder.
        classes: "folders" takes the first folder as the class, "none" takes no labels,
            "auto" takes folders where there are at least two and every image is in one.
        channels: 3 turns all images into RGB, 1 into grey.
        on_error: what to do at an image that cannot be read: "stop" or "skip".
    """
    top = Path(path).expanduser()
    if not top.is_dir():
        raise ValueError(f"folder {str(path)!r} does not exist or is no folder")
    if classes not in ("auto", "folders", "none"):
        raise ValueError(
            f"classes is {classes!r}; it must be 'auto', 'folders' or 'none'"
        )
    root = _root_of_split(top, split)
    files = _images_below(root)
    if not files:
        raise ValueError(
            f"no image below {str(root)!r} (looked for {' '.join(sorted(SUFFIXES))})"
        )
    names = None if classes == "none" else _class_names(top, root, files, classes)
    positions = {name: i for i, name in enumerate(names or ())}
    labels = [positions.get(_first_folder(file), -1) for file in files]
    return FolderSource(
        root,
        files,
        labels,
        name=f"folder:{path}",
        class_names=names,
        channels=channels,
        on_error=on_error,
    )


def _root_of_split(top: Path, split: str) -> Path:
    if (top / split).is_dir():
        return top / split
    if split in ("train", "all"):
        return top
    folders = sorted(entry.name for entry in top.iterdir() if entry.is_dir())
    raise ValueError(
        f"{str(top)!r} has no folder for the split {split!r}; without split folders all"
        f" images are the split 'train'. It holds the folders: {folders[:10]}"
    )


def _images_below(root: Path) -> list[str]:
    """Paths relative to the root, sorted part by part."""
    found = []
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(folder, name).relative_to(root)
            for name in files
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
        ]
    return [path.as_posix() for path in sorted(found, key=lambda path: path.parts)]


def _first_folder(file: str) -> str | None:
    first, slash, _ = file.partition("/")
    return first if slash else None


def _class_names(
    top: Path, root: Path, files: Sequence[str], classes: str
) -> list[str] | None:
    """Sorted names of the class folders; those of all splits, so that ids agree."""
    firsts = {_first_folder(file) for file in files}
    loose = None in firsts
    if classes == "auto" and (loose or len(firsts) < 2):
        if loose and len(firsts) > 2:
            log.warning("%s: some images lie in no class folder: no labels", root)
        return None
    if loose:
        raise ValueError(
            f"classes='folders', but images lie directly in {str(root)!r}, in no class"
            " folder"
        )
    if root != top:
        for split in _SPLITS:
            if (top / split).is_dir():
                firsts |= {_first_folder(file) for file in _images_below(top / split)}
    return sorted(name for name in firsts if name is not None)
