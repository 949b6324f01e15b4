"""IDX files: the format of MNIST and Fashion-MNIST, plain, gzip or xz."""

from __future__ import annotations

import gzip
import lzma
import struct
from pathlib import Path

import numpy as np

_UINT8 = 0x08
_OPENERS = {".gz": gzip.open, ".xz": lzma.open}

FILES = {"train": "train", "test": "t10k"}
"""The prefix of the file names of each split, as the authors of MNIST chose it."""


def read_idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes in one IDX file.

    Raises:
        ValueError: when the file is no complete IDX file of unsigned bytes.
    """
    with _OPENERS.get(path.suffix, open)(path, "rb") as file:
        content = file.read()
    if len(content) < 4 or content[:3] != bytes((0, 0, _UINT8)):
        raise ValueError(f"{path} is not an IDX file of unsigned bytes")
    start = 4 + 4 * content[3]
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    if len(content) - start != np.prod(shape):
        raise ValueError(
            f"{path} holds {len(content) - start} bytes, its header says {shape}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def write_idx(array: np.ndarray) -> bytes:
    """The bytes of an IDX file that holds a uint8 array."""
    header = bytes((0, 0, _UINT8, array.ndim))
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def read_pair(folder: Path, split: str, suffix: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [n h w 1] and labels [n] of one split in a folder of IDX files."""
    prefix = FILES[split]
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte{suffix}")
    labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte{suffix}")
    if len(images) != len(labels):
        raise ValueError(f"{folder}: {len(images)} images, {len(labels)} labels")
    return images[..., None], labels
