"""Arrays that are filled row by row: in memory, or on disk where they are large.

A large one is a file in the folder for temporary files (TMPDIR) that has no name, so
that it is gone with the array, or with the process. Its room is taken at once.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile

import numpy as np

__all__ = ["LARGE", "empty", "keep", "room"]

# Bytes of an array that stays in memory.
LARGE = 2**30
# Bytes that are moved at once.
_MOVED = 2**26


def room() -> tuple[str, int]:
    """Where large arrays lie.

    Returns:
      The folder, and the bytes that are free there.

    Example:
      >>> folder, free = room()
      >>> free > 0
      True
    """
    folder = tempfile.gettempdir()
    return folder, shutil.disk_usage(folder).free


def empty(shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """An array to write into.

    Args:
      shape: its shape.
      dtype: its type.

    Returns:
      The array, on disk above 1 GiB.

    Raises:
      ValueError: if the disk has no room.

    Example:
      >>> empty((2, 3), np.float32).shape
      (2, 3)
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= LARGE:
        return np.empty(shape, dtype)
    folder, free = room()
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            # Writing where a full disk leaves a hole would end the process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        except OSError as error:
            raise ValueError(
                f"an array {shape} of {size:,} bytes does not fit into {folder!r}, "
                f"which has {free:,} free ({error}); set TMPDIR to a folder with room"
            ) from error
        return np.memmap(file, dtype, "r+", shape=shape)


def keep(x: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The rows that are kept, moved to the front of the same array.

    Args:
      x: an array, which is changed.
      kept: for each row, whether it stays, [n].

    Returns:
      A view of `x`; no second copy is made.

    Example:
      >>> keep(np.arange(4), np.array([True, False, True, True])).tolist()
      [0, 2, 3]
    """
    rows = np.flatnonzero(kept)
    size = max(1, _MOVED // max(1, x[:1].nbytes))
    for i in range(0, len(rows), size):
        some = rows[i : i + size]
        x[i : i + len(some)] = x[some]
    return x[: len(rows)]
