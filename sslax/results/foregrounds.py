"""Writes masks of what stands out in images, once, for `data.with_foreground`."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
from PIL import Image

from sslax import augment, data

__all__ = ["write_foregrounds"]

_SIDE, _BATCH = 64, 32


def write_foregrounds(name: str, out: str) -> int:
    """Writes the mask of every image of a source of files, as a PNG of its size.

    What stands out is the spectral residual of the image, cut at three times its mean:
    no labels, and no network, are behind it. A mask that is there already is kept.

    Args:
      name: data by their short form, see `sslax.data.parse`.
      out: the folder of the masks.

    Returns:
      How many masks there are now.

    Raises:
      ValueError: if there are no such data, or if they are no files.
    """
    source = data.source(name)
    masks = data.masks_of(source, out)
    missing = [i for i, mask in enumerate(masks) if not mask.is_file()]
    solid = jax.jit(_solid)
    for start in range(0, len(missing), _BATCH):
        rows = missing[start : start + _BATCH]
        images = [_picture(source[i]["image"]) for i in rows]
        small = np.zeros((_BATCH, _SIDE, _SIDE, 1), np.float32)
        for slot, image in zip(small, images, strict=False):
            shrunk = image.resize((_SIDE, _SIDE), Image.Resampling.BOX)
            slot[..., 0] = np.asarray(shrunk, np.float32) / 255
        pairs = zip(rows, images, np.asarray(solid(small)), strict=False)
        for i, image, mask in pairs:
            _write(masks[i], mask[..., 0], image.size)
    return len(masks)


def _solid(image):
    return augment.saliency_mask(augment.spectral_saliency(image, size=_SIDE))


def _picture(image: np.ndarray) -> Image.Image:
    """Grey; of many channels their mean."""
    bits = 8 * image.dtype.itemsize
    grey = image.astype(np.float32).mean(axis=-1) / 2 ** (bits - 8)
    return Image.fromarray(np.rint(grey).astype(np.uint8))


def _write(file: Path, mask: np.ndarray, size: tuple[int, int]) -> None:
    """Whole or not at all: a run that is stopped leaves no half of a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.uint8(255 * mask))
    half = file.with_suffix(".part")
    picture.resize(size, Image.Resampling.NEAREST).save(half, format="PNG")
    half.replace(file)
