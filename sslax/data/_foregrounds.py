"""Masks of the foreground, from files beside the images."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from sslax.data._decode import NPY
from sslax.data._fields import Example, Field
from sslax.data._sources import Source


def with_foreground(*, of: Source, path: str | os.PathLike) -> Source:
    """Adds the mask of its foreground to every image of a source of files.

    Of an image `cats/a.jpg` the mask is `path/cats/a.png`, of the image's size, bright
    where the foreground is. `sslax prepare folder:PATH --foreground=DIR` writes such
    files, of what stands out; those of a better detector have the same form.

    Args:
      of: a source whose examples are files, as `folder` gives it.
      path: the folder of the masks.

    Returns:
      The source, with `foreground` uint8 [h w], 1 where a mask is above the middle.

    Raises:
      ValueError: if the source has no files, or if masks are missing; as an example is
        read, if a mask has another size than its image.

    Example:
      >>> from sslax import data
      >>> data.with_foreground(of=data.objects(size=16), path="/masks")
      Traceback (most recent call last):
      ValueError: objects/train has no files, which masks could belong to
    """
    masks = [str(mask) for mask in masks_of(of, path)]
    missing = [i for i, mask in enumerate(masks) if not os.path.isfile(mask)]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(masks)} images of {of.name} have no mask, among"
            f" them {of.where(missing[0])}, whose mask would be {masks[missing[0]]!r}"
        )
    height, width, _ = of.fields["image"].shape
    return dataclasses.replace(
        of,
        read=partial(_read, of, masks),
        fields={**of.fields, "foreground": Field((height, width), "uint8", "mask")},
        arrays=None,
    )


def masks_of(source: Source, path: str | os.PathLike) -> list[Path]:
    """Where the masks of a source's images lie below a folder.

    Args:
      source: one whose examples are files.
      path: the folder of the masks.

    Returns:
      A file for each, in order.

    Raises:
      ValueError: if the source has no files.

    Example:
      >>> from sslax import data
      >>> data.masks_of(data.objects(size=16), "/masks")
      Traceback (most recent call last):
      ValueError: objects/train has no files, which masks could belong to
    """
    if source.files is None:
        raise ValueError(f"{source.name} has no files, which masks could belong to")
    top = Path(path).expanduser()
    return [top / Path(file).with_suffix(".png") for file in source.files]


def _read(
    of: Source, masks: Sequence[str], indices: Sequence[int], draws: Sequence[int]
) -> list[Example]:
    examples = of.read(indices, draws)
    pairs = zip(examples, indices, strict=True)
    return [
        {**example, "foreground": _mask(masks[i], example["image"], of.where(i))}
        for example, i in pairs
    ]


def _mask(file: str, image: bytes | np.ndarray, where: str) -> np.ndarray:
    with Image.open(file) as picture:
        mask = np.asarray(picture.convert("L")) > 127
    shape = _shape(image)
    if mask.shape not in (shape, shape[::-1]):  # one turned by its EXIF orientation
        raise ValueError(
            f"the mask {file!r} has {mask.shape[0]} x {mask.shape[1]} pixels, and its"
            f" image {where} has {shape[0]} x {shape[1]}"
        )
    return mask.astype(np.uint8)


def _shape(image: bytes | np.ndarray) -> tuple[int, int]:
    if not isinstance(image, np.ndarray) and image.startswith(NPY):
        image = np.load(io.BytesIO(image), allow_pickle=False)
    if isinstance(image, np.ndarray):
        return image.shape[0], image.shape[1]
    with Image.open(io.BytesIO(image)) as picture:
        return picture.height, picture.width
