"""Procedural images: one shape on a texture, with its exact mask.

The shape alone tells the classes of `synthetic`; those of `objects` differ in material
as well, as things in photographs do.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from sslax.data._fields import LABEL, Example, Field, picture
from sslax.data._scenes import Scene, Texture, told
from sslax.data._sources import Read, Source

# Waves of a texture that cross an image, from and to.
_WAVES = (2, 12)


def _regular(x: np.ndarray, y: np.ndarray, corners: int) -> np.ndarray:
    """Inside a regular polygon with corners at distance 1."""
    angle = np.mod(np.arctan2(y, x), 2 * np.pi / corners) - np.pi / corners
    return np.hypot(x, y) * np.cos(angle) <= np.cos(np.pi / corners)


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    angle = np.mod(np.arctan2(y, x), 2 * np.pi / 5) / (2 * np.pi / 5)
    return np.hypot(x, y) <= 0.4 + 0.6 * np.abs(2 * angle - 1)


SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": lambda x, y: np.hypot(x, y) <= 1,
    "ring": lambda x, y: np.abs(np.hypot(x, y) - 0.75) <= 0.25,
    "crescent": lambda x, y: (np.hypot(x, y) <= 1) & (np.hypot(x - 0.5, y) > 0.8),
    "triangle": lambda x, y: _regular(x, y, 3),
    "square": lambda x, y: _regular(x, y, 4),
    "bar": lambda x, y: (np.abs(x) <= 1) & (np.abs(y) <= 0.3),
    "cross": lambda x, y: (
        (np.maximum(abs(x), abs(y)) <= 1) & (np.minimum(abs(x), abs(y)) <= 0.3)
    ),
    "star": _star,
}
"""Whether points (x, y) are inside the shape of radius 1 about the origin."""


class Material(NamedTuple):
    """What the textures of a class have in common.

    Attributes:
      colours: two colours in [0, 1], [2 3].
      waves: how many of each of two directions cross the image, [2].
      share: how far a texture lies on the way from any to this one, in [0, 1].
    """

    colours: np.ndarray
    waves: np.ndarray
    share: float


def materials(share: float, *, seed: int = 0) -> list[Material]:
    """One for each class, the same in all splits."""
    rng = np.random.default_rng(seed)
    return [
        Material(rng.uniform(0, 1, (2, 3)), rng.uniform(*_WAVES, 2), share)
        for _ in SHAPES
    ]


def scene(
    rng: np.random.Generator,
    label: int,
    material: Material | None = None,
    ground: Material | None = None,
) -> Scene:
    """Draw what one example shows."""
    radius = rng.uniform(0.15, 0.3)
    row, column = rng.uniform(radius, 1 - radius, 2)
    turn = rng.uniform(0, 2 * np.pi)
    front, back = _woven(rng, material), _woven(rng, ground)
    return Scene(label, radius, row, column, turn, front, back)


def draw(seen: Scene, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The image, the mask and the centre (row, column) of one example."""
    label, radius, row, column, turn, front, back = seen
    at = centres(size)
    mask = outline(label, at, radius=radius, row=row, column=column, turn=turn)
    here = at[None, :], at[:, None]
    image = np.where(mask[..., None], _shown(front, *here), _shown(back, *here))
    pixels = np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)
    centre = np.array([row * size, column * size], np.float32)
    return pixels, mask.astype(np.uint8), centre


def centres(size: int) -> np.ndarray:
    """Where pixels are, as fractions of the side."""
    return (np.arange(size) + 0.5) / size


def outline(
    label: int, at: np.ndarray, *, radius: float, row: float, column: float, turn: float
) -> np.ndarray:
    """Where a shape is, bool [h w]; sizes and places are fractions of the side."""
    x, y = (at[None, :] - column) / radius, (at[:, None] - row) / radius
    return list(SHAPES.values())[label](
        x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    )


def texture(
    rng: np.random.Generator,
    x: np.ndarray,
    y: np.ndarray,
    material: Material | None = None,
) -> np.ndarray:
    """Waves of two directions between two colours, [... 3] in [0, 1]."""
    return _shown(_woven(rng, material), x, y)


def _woven(rng: np.random.Generator, material: Material | None = None) -> Texture:
    colours = rng.uniform(0, 1, (2, 3))
    least, most = _WAVES
    waves = [rng.uniform((least, 0, 0), (most, np.pi, 2 * np.pi)) for _ in range(2)]
    waves = np.stack(waves)
    if material:
        colours += material.share * (material.colours - colours)
        waves[:, 0] += material.share * (material.waves - waves[:, 0])
    return Texture(colours, waves)


def _shown(texture: Texture, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    blend = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    for waves, angle, phase in texture.waves:
        along = x * np.cos(angle) + y * np.sin(angle)
        blend += np.sin(2 * np.pi * waves * along + phase) / 4
    blend = (blend + 0.5)[..., None]
    return texture.colours[0] * blend + texture.colours[1] * (1 - blend)


def synthetic(
    *, split: str = "train", size: int = 64, length: int = 1024, seed: int = 0
) -> Source:
    """Draws shapes on textures; example i depends on the seed, the split and i alone.

    Each has its class as `label`, the exact pixels of the shape as `foreground` uint8
    [h w] and its centre as `position` float32 [2] (row, column). Captions tell shape,
    colour, size, place and texture.

    Args:
      split: any name; each has examples of its own.
      size: side of the images in pixels.
      length: how many there are.
      seed: of all that is drawn.

    Returns:
      The source.

    Raises:
      ValueError: if the size or the length is too small.

    Example:
      >>> from sslax import data
      >>> example = data.synthetic(size=32)[3]
      >>> example["image"].shape, example["foreground"].shape, example["label"]
      ((32, 32, 3), (32, 32), 3)
    """
    return _drawn("synthetic", split, size, length, seed, None)


def objects(
    *,
    split: str = "train",
    size: int = 64,
    length: int = 1024,
    seed: int = 0,
    share: float = 0.7,
) -> Source:
    """Draws shapes whose texture follows their class, on any texture.

    As `synthetic`, whose fields it has; but colours and waves of a shape lie near those
    of its class, so that parts of it tell what it is of. Where it lies, how large it
    is, its angle and what is around it tell nothing.

    Args:
      split: any name; each has examples of its own, of the same classes.
      size: side of the images in pixels.
      length: how many there are.
      seed: of all that is drawn but for the materials of the classes.
      share: how much of colours and waves is the class's; 0 is `synthetic`.

    Returns:
      The source.

    Raises:
      ValueError: if the size or the length is too small, or the share is not in [0, 1].

    Example:
      >>> from sslax import data
      >>> data.objects(size=32)[3]["image"].shape
      (32, 32, 3)
    """
    if not 0 <= share <= 1:
        raise ValueError(f"objects: share is {share}; expected 0 to 1")
    return _drawn("objects", split, size, length, seed, materials(share))


def _drawn(
    name: str,
    split: str,
    size: int,
    length: int,
    seed: int,
    known: list[Material] | None,
) -> Source:
    seeds = seeds_of(seed, split)
    drawn = of_shapes(
        f"{name}/{split}", partial(_read, seeds, size, known), size=size, length=length
    )
    return dataclasses.replace(
        drawn,
        fields={**drawn.fields, "position": Field((2,), "float32", "point")},
        captions=partial(_captions, seeds, known),
    )


def seeds_of(seed: int, split: str) -> tuple[int, int]:
    """A seed sequence takes numbers: splits are told apart by a sum of their name."""
    return seed, zlib.crc32(split.encode())


def of_shapes(name: str, read: Read, *, size: int, length: int) -> Source:
    """The source of drawn shapes, whose classes take turns.

    Raises:
      ValueError: if the size or the length is too small.
    """
    for what, value, least in (("size", size, 4), ("length", length, 1)):
        if value < least:
            kind = name.partition("/")[0]
            raise ValueError(f"{kind}: {what} is {value}, at least {least}")
    return Source(
        name=name,
        length=length,
        read=read,
        fields={
            "image": picture(size, size, 3),
            "label": LABEL,
            "foreground": Field((size, size), "uint8", "mask"),
        },
        class_names=tuple(SHAPES),
        labels=np.arange(length, dtype=np.int32) % len(SHAPES),
    )


def _read(
    seeds: tuple[int, int],
    size: int,
    known: list[Material] | None,
    indices: Sequence[int],
    draws: Sequence[int],
) -> list[Example]:
    del draws
    return [_example(seeds, size, known, int(index)) for index in indices]


def _example(
    seeds: tuple[int, int], size: int, known: list[Material] | None, index: int
) -> Example:
    seen = _scene(seeds, known, index)
    image, mask, position = draw(seen, size)
    return {
        "image": image,
        "label": seen.label,
        "foreground": mask,
        "position": position,
    }


def _scene(seeds: tuple[int, int], known: list[Material] | None, index: int) -> Scene:
    label = index % len(SHAPES)
    rng = np.random.default_rng((*seeds, index))
    return scene(rng, label, known[label] if known else None)


def _captions(
    seeds: tuple[int, int], known: list[Material] | None, index: int
) -> tuple[str, ...]:
    return told(_scene(seeds, known, index), tuple(SHAPES))
