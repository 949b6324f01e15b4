"""Masks of the foreground, from files beside the images."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from sslax.data._decode import BAD_IMAGE, size_of
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
      ValueError: if the source has no files, if masks are missing, or if two images
        would share one; as an example is read, if a mask cannot be decoded or has
        another size than its image.

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
      ValueError: if the source has no files, if two of them would have one mask, or if
        a mask would be the image itself.

    Example:
      >>> from sslax import data
      >>> data.masks_of(data.objects(size=16), "/masks")
      Traceback (most recent call last):
      ValueError: objects/train has no files, which masks could belong to
    """
    if source.files is None:
        raise ValueError(f"{source.name} has no files, which masks could belong to")
    top, taken = Path(path).expanduser(), dict[Path, int]()
    for i, file in enumerate(source.files):
        mask = top / Path(file).with_suffix(".png")
        if mask.absolute() == Path(source.where(i)).absolute():
            raise ValueError(
                f"the mask of {source.where(i)} would be the image itself; give"
                " another folder"
            )
        if taken.setdefault(mask, i) != i:
            raise ValueError(
                f"{source.where(taken[mask])} and {source.where(i)} would have one"
                f" mask, {str(mask)!r}"
            )
    return list(taken)


def _read(
    of: Source, masks: Sequence[str], indices: Sequence[int], draws: Sequence[int]
) -> list[Example]:
    return [
        {**example, "foreground": _mask(masks[i], of.where(i), of.fields["image"])}
        for example, i in zip(of.read(indices, draws), indices, strict=True)
    ]


def _mask(file: str, image: str, field: Field) -> np.ndarray:
    try:
        with Image.open(file) as picture:
            mask = np.asarray(picture.convert("L")) > 127
    except BAD_IMAGE as error:
        raise ValueError(f"the mask {file!r} cannot be decoded: {error}") from error
    try:
        shape = size_of(Path(image), upright=field.upright)
    except BAD_IMAGE:  # said again, or skipped, where images are decoded
        shape = mask.shape
    if mask.shape != shape:
        raise ValueError(
            f"the mask {file!r} has {mask.shape[0]} x {mask.shape[1]} pixels, and its"
            f" image {image} has {shape[0]} x {shape[1]}"
        )
    return mask.astype(np.uint8)
