"""A picture of what the loss sees: views, masks, tiles and boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sslax import calls, data
from sslax.commands.overrides import load_config
from sslax.commands.staged import stage_of
from sslax.kinds import Builder
from sslax.train.run import open_source

__all__ = ["grid", "run", "show_views"]


def run(options: Any) -> None:
    """Draws the views of the config of the command line.

    Args:
      options: of the command line.
    """
    options.say("nothing was written")
    config = load_config(options.config, options.overrides, follow=True)
    show_views(stage_of(config, options.stage), options.out)


GAP = 4
LIT = np.array([235, 90, 40], np.float32)  # lines of boxes


def grid(batch: Mapping[str, Any], *, images: int = 8, side: int = 96) -> np.ndarray:
    """Draws a batch that views have made: one row for each image.

    First the image, with its crops as boxes where the batch has coordinates; then every
    view, with what its mask hides dimmed. Patches of one image stand in a square.

    Args:
      batch: what a builder of views gives, with images in [0, 1].
      images: how many images to draw.
      side: height and width of each picture in pixels.

    Returns:
      uint8 `[h w 3]`.

    Raises:
      ValueError: if the batch has no views.
    """
    if "views" not in batch:
        raise ValueError(f"the batch has no views, only {sorted(batch)}")
    count = min(images, len(batch["image"]))
    columns = [_originals(batch, count)]
    for view in batch["views"]:
        pictures = np.stack([_flat(_colour(v)) for v in np.asarray(view[:count])])
        if "mask" in batch and np.ndim(view) == 4:
            pictures = _dimmed(pictures, np.asarray(batch["mask"][:count]))
        columns.append(pictures)
    sized = [np.stack([_fit(p, side) for p in column]) for column in columns]
    rows = [
        np.concatenate([_framed(column[i]) for column in sized], axis=1)
        for i in range(count)
    ]
    return np.round(np.concatenate(rows)).astype(np.uint8)


def _colour(picture: np.ndarray) -> np.ndarray:
    """Three channels in 0..255: what is not in [0, 1] is stretched to it."""
    picture = np.asarray(picture, np.float32)
    if picture.shape[-1] != 3:
        picture = np.repeat(picture[..., :1], 3, axis=-1)
    low, high = picture.min(), picture.max()
    if low < -0.01 or high > 1.01:
        picture = (picture - low) / max(high - low, 1e-6)
    return 255.0 * np.clip(picture, 0.0, 1.0)


def _flat(picture: np.ndarray) -> np.ndarray:
    """Patches `[... p q 3]` of one image laid out in rows, a pixel apart."""
    if picture.ndim == 3:
        return picture
    if picture.ndim == 4:
        columns = int(np.ceil(np.sqrt(len(picture))))
        rows = -(-len(picture) // columns)
        missing = rows * columns - len(picture)
        picture = np.pad(picture, ((0, missing), (0, 0), (0, 0), (0, 0)))
        picture = picture.reshape(rows, columns, *picture.shape[1:])
    pad = ((0, 0), (0, 0), (0, 1), (0, 1), (0, 0))
    picture = np.pad(picture, pad, constant_values=255.0)
    rows, columns, height, width, _ = picture.shape
    return picture.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def _originals(batch, count):
    image = np.asarray(batch["image"][:count])
    image = image / 255.0 if image.dtype == np.uint8 else image
    pictures = np.stack([_colour(picture) for picture in image])
    if "coordinates" in batch:
        height, width = pictures.shape[1:3]
        scale = np.array([width - 1, height - 1] * 2)
        for picture, boxes in zip(pictures, batch["coordinates"], strict=False):
            for box in np.asarray(boxes) * scale:
                _outline(picture, np.round(box).astype(int))
    return pictures


def _outline(picture, box):
    left, right = sorted((box[0], box[2]))
    top, bottom = sorted((box[1], box[3]))
    picture[[top, bottom], left : right + 1] = LIT
    picture[top : bottom + 1, [left, right]] = LIT


def _dimmed(pictures, mask):
    """Pictures with what a mask `[b n]` on a square grid hides made dark."""
    cells = round(mask.shape[1] ** 0.5)
    if cells * cells != mask.shape[1] or pictures.shape[1] % cells:
        return pictures
    step = pictures.shape[1] // cells
    hidden = mask.reshape(-1, cells, cells).repeat(step, 1).repeat(step, 2)
    return pictures * (1.0 - 0.75 * hidden[..., None])


def _fit(picture, side):
    """A picture at the side of the grid, nearest pixel."""
    rows = np.arange(side) * picture.shape[0] // side
    columns = np.arange(side) * picture.shape[1] // side
    return picture[rows][:, columns]


def _framed(picture):
    around = ((0, GAP), (0, GAP), (0, 0))
    return np.pad(picture, around, constant_values=255.0)


def show_views(config: Mapping[str, Any], out: str) -> None:
    """Draws the views of a config on its first batch into a PNG.

    Args:
      config: the resolved config of a run.
      out: path of the picture.
    """
    from PIL import Image

    d = config["data"]
    loader = data.loader(
        open_source(config, "train"),
        batch_size=min(config["batch_size"], 16),
        seed=config["seed"],
        canvas=d["canvas"],
        workers=0,
    )
    batch = jax.tree.map(jnp.asarray, dict(loader.batch(0)))
    views = calls.build(config["views"], Builder)
    made = jax.jit(views)(jax.random.key(config["seed"]), batch)
    Image.fromarray(grid(made)).save(out)
    print(f"wrote {out}")
