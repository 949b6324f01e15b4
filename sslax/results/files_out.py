"""Files that a command writes: looked at before the work, whole or not there after."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from etils import epath

__all__ = ["check_out", "whole_file"]


def check_out(out: str, endings: Sequence[str]) -> epath.Path:
    """Looks at the name of a file before hours are spent on what is to be in it.

    Args:
      out: the file.
      endings: of names that it may have, such as ".csv".

    Returns:
      Its path.

    Raises:
      ValueError: if its name ends otherwise, or its folder is not there.

    Example:
      >>> check_out("features.txt", (".npz", ".csv"))
      Traceback (most recent call last):
      ValueError: --out is written as .npz or .csv; got 'features.txt': name it \
features.npz
    """
    path = epath.Path(out)
    if path.suffix not in endings:
        *most, last = endings
        raise ValueError(
            f"--out is written as {', '.join(most)}{' or ' if most else ''}{last}; got "
            f"{out!r}: name it {path.with_suffix(endings[0]).name}"
        )
    if not path.parent.is_dir():
        raise ValueError(f"--out={out}: there is no folder {str(path.parent)!r}")
    return path


@contextlib.contextmanager
def whole_file(path: epath.Path) -> Iterator[Any]:
    """Opens a file for bytes; it has its name when all of it is written.

    Args:
      path: the file; it is replaced.

    Yields:
      The open file.
    """
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        yield file
    part.replace(path)
