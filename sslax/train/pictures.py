"""One drawer of what views make: any number of crops, patches, channels and masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from sslax import augment

__all__ = ["as_picture", "grid", "pictures", "plain"]

GAP = 4
LIT = np.array([235, 90, 40], np.float32)  # lines of boxes
# What stands in its own place, or is no picture to look at.
_PLACED = ("image", "views", "mask", "coordinates", "box")

Column = tuple[str, list[np.ndarray]]


def pictures(batch: Mapping[str, Any], *, images: int = 8) -> list[Column]:
    """Draws a batch that views have made, whatever it holds.

    First the images, with their crops as boxes where the batch has coordinates; then
    every view, with what its mask hides made dark; then whatever else is an image, such
    as a foreground or a second rendering. Patches of one image stand in a square,
    channels that are no colours beside each other.

    Args:
      batch: what a builder of views gives, before normalisation.
      images: how many images to draw.

    Returns:
      Names and pictures, uint8 [h w 3], one for each image; the sizes may differ.

    Raises:
      ValueError: if the batch has no views.
    """
    if "views" not in batch:
        raise ValueError(f"the batch has no views, only {sorted(batch)}")
    columns: list[Column] = []
    if "image" in batch:
        columns.append(("image", _originals(batch, images)))
    several = len(batch["views"]) > 1
    for i, view in enumerate(batch["views"]):
        drawn = [as_picture(x) for x in np.asarray(view[:images])]
        mask = _mask_of(batch, i)
        if mask is not None and np.ndim(view) == 4:
            drawn = [_dimmed(x, m) for x, m in zip(drawn, mask[:images], strict=True)]
        columns.append((f"view {i + 1}" if several else "view", drawn))
    for name, value in _others(batch):
        if _is_image(value):
            columns.append((name, [as_picture(x) for x in _some(value, images)]))
    return columns


def as_picture(x: Any) -> np.ndarray:
    """One example of an array as a picture, uint8 [h w 3].

    Args:
      x: [h w], [h w c], patches [n p q c] or [r s p q c]; integers are 0 to 255 or a
        mask, what is not in [0, 1] is stretched to it. With 2 or 6 and more channels,
        frames of three or single channels stand side by side.

    Returns:
      The picture.
    """
    x = np.asarray(x)
    if x.ndim == 2:
        x = x[..., None]
    if x.dtype == np.uint8 and x.max(initial=0) > 1:
        x = x / 255.0
    x = _unit(np.asarray(x, np.float32))
    return np.round(255.0 * _laid(_colour(x))).astype(np.uint8)


def grid(columns: Sequence[Column], *, side: int = 96) -> np.ndarray:
    """One picture of what `pictures` gives: a row for each image.

    Args:
      columns: names and pictures.
      side: height and width of each picture in pixels.

    Returns:
      uint8 [h w 3].
    """
    count = min(len(drawn) for _, drawn in columns)
    rows = [
        np.concatenate([_framed(_fit(drawn[i], side)) for _, drawn in columns], axis=1)
        for i in range(count)
    ]
    return np.concatenate(rows)


def plain(images: Any, statistics: Any) -> np.ndarray:
    """Images as they are without the normalisation of the views.

    Args:
      images: [b h w c], of views or made by a method.
      statistics: as in `config.normalize`; None for images that have none.

    Returns:
      The images; those of data are in [0, 1].
    """
    images = np.asarray(images)
    if statistics is None:
        return images
    pixel = jnp.ones((1, 1, 1, images.shape[-1]))
    zero, one = (
        np.asarray(augment.normalize(x, statistics=statistics))
        for x in (0 * pixel, pixel)
    )
    return (images - zero) / (one - zero)


def _unit(x: np.ndarray) -> np.ndarray:
    low, high = float(x.min()), float(x.max())
    if low < -0.01 or high > 1.01:
        x = (x - low) / max(high - low, 1e-6)
    return np.clip(x, 0.0, 1.0)


def _colour(x: np.ndarray) -> np.ndarray:
    """Three channels; frames or channels side by side where there are others."""
    channels = x.shape[-1]
    if channels == 3:
        return x
    if channels == 1:
        return x.repeat(3, axis=-1)
    if channels % 3 == 0:
        return np.concatenate(np.split(x, channels // 3, axis=-1), axis=-2)
    grey = [part.repeat(3, axis=-1) for part in np.split(x, channels, axis=-1)]
    return np.concatenate(grey, axis=-2)


def _laid(x: np.ndarray) -> np.ndarray:
    """Patches [... p q 3] of one image laid out in rows, a pixel apart."""
    if x.ndim == 3:
        return x
    if x.ndim == 4:
        columns = int(np.ceil(np.sqrt(len(x))))
        rows = -(-len(x) // columns)
        missing = rows * columns - len(x)
        x = np.pad(x, ((0, missing), (0, 0), (0, 0), (0, 0)), constant_values=1.0)
        x = x.reshape(rows, columns, *x.shape[1:])
    x = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1), (0, 0)), constant_values=1.0)
    rows, columns, height, width, _ = x.shape
    return x.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def _originals(batch: Mapping[str, Any], count: int) -> list[np.ndarray]:
    drawn = [as_picture(x) for x in _some(batch["image"], count)]
    for picture, boxes in zip(drawn, batch.get("coordinates", ()), strict=False):
        height, width = picture.shape[:2]
        scale = np.array([width - 1, height - 1] * 2)
        for box in np.asarray(boxes).reshape(-1, 4) * scale:
            _outline(picture, np.round(box).astype(int))
    return drawn


def _others(batch: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What else a batch holds; what is there in several kinds has numbers."""
    for name in sorted(set(batch) - set(_PLACED)):
        value = batch[name]
        several = isinstance(value, tuple | list)
        named = {f"{name} {i + 1}": x for i, x in enumerate(value)} if several else {}
        yield from named.items() if several else [(name, value)]


def _some(x: Any, count: int) -> np.ndarray:
    return np.asarray(x[:count])


def _outline(picture: np.ndarray, box: np.ndarray) -> None:
    height, width = picture.shape[:2]
    left, right = sorted(np.clip((box[0], box[2]), 0, width - 1))
    top, bottom = sorted(np.clip((box[1], box[3]), 0, height - 1))
    picture[[top, bottom], left : right + 1] = LIT
    picture[top : bottom + 1, [left, right]] = LIT


def _mask_of(batch: Mapping[str, Any], view: int) -> np.ndarray | None:
    """What the method hides of a view: one mask for all, or one for each."""
    mask = batch.get("mask")
    if isinstance(mask, tuple | list):
        mask = mask[view] if view < len(mask) else None
    return None if mask is None else np.asarray(mask)


def _dimmed(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A picture with what a mask [n], a square of cells, or [h w] hides made dark."""
    if mask.ndim == 1:
        cells = round(len(mask) ** 0.5)
        if cells * cells != len(mask):
            return picture
        mask = mask.reshape(cells, cells)
    rows = np.arange(picture.shape[0]) * mask.shape[0] // picture.shape[0]
    columns = np.arange(picture.shape[1]) * mask.shape[1] // picture.shape[1]
    hidden = mask[rows][:, columns, None]
    return np.round(picture * (1.0 - 0.75 * hidden)).astype(np.uint8)


def _is_image(x: Any) -> bool:
    """Whether an array of a batch can be looked at: [b h w], [b h w c] or clips."""
    shape = np.shape(x)
    if len(shape) == 3:
        return min(shape[1:]) >= 8
    return len(shape) in (4, 5) and shape[-1] <= 9 and min(shape[-3:-1]) >= 4


def _fit(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture in a white square, its own shape kept, nearest pixel."""
    scale = side / max(picture.shape[:2])
    height, width = (max(1, round(scale * n)) for n in picture.shape[:2])
    rows = np.arange(height) * picture.shape[0] // height
    columns = np.arange(width) * picture.shape[1] // width
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = picture[rows][:, columns]
    return square


def _framed(picture: np.ndarray) -> np.ndarray:
    around = ((0, GAP), (0, GAP), (0, 0))
    return np.pad(picture, around, constant_values=255)
