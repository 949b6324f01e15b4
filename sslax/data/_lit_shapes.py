"""The same procedural scenes by day and by night: two domains whose pairs are known."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from sslax.data._fields import Example
from sslax.data._sources import Source
from sslax.data._synthetic import SHAPES, centres, of_shapes, outline, seeds_of

# Two colours of the ground and two of shapes, between which waves go: what is the
# darkest by day shines at night, so that no curve of each channel leads to the other.
_LOOKS = {
    "day": (
        ((0.50, 0.75, 0.95), (0.85, 0.90, 0.65)),
        ((0.55, 0.10, 0.10), (0.25, 0.35, 0.10)),
    ),
    "night": (
        ((0.03, 0.05, 0.20), (0.20, 0.10, 0.30)),
        ((1.00, 0.80, 0.35), (0.70, 0.95, 0.90)),
    ),
}


def lit_shapes(
    *,
    look: str = "day",
    split: str = "train",
    size: int = 64,
    length: int = 1024,
    seed: int = 0,
) -> Source:
    """Draws shapes on grounds by day, light, or by night, where shapes shine.

    Example i depends on the seed, the split and i alone: with another look and the same
    three it is the same scene, pixel by pixel. Two sources of different seeds are
    domains without pairs. Each has its class as `label` and the exact pixels of the
    shape as `foreground` uint8 [h w].

    Args:
      look: "day" or "night".
      split: any name; each has examples of its own.
      size: side of the images in pixels.
      length: how many there are.
      seed: of all that is drawn.

    Returns:
      The source.

    Raises:
      ValueError: for another look, or if the size or the length is too small.

    Example:
      >>> from sslax import data
      >>> day, night = (data.lit_shapes(look=x, size=32)[3] for x in ("day", "night"))
      >>> (day["foreground"] == night["foreground"]).all().item()
      True
    """
    if look not in _LOOKS:
        raise ValueError(f"lit_shapes: look is {look!r}; expected one of {[*_LOOKS]}")
    read = partial(_read, seeds_of(seed, split), size, look)
    return of_shapes(f"lit_shapes/{split} by {look}", read, size=size, length=length)


def _read(
    seeds: tuple[int, int],
    size: int,
    look: str,
    indices: Sequence[int],
    draws: Sequence[int],
) -> list[Example]:
    del draws
    return [_example(seeds, size, look, int(index)) for index in indices]


def _example(seeds: tuple[int, int], size: int, look: str, index: int) -> Example:
    label = index % len(SHAPES)
    rng = np.random.default_rng((*seeds, index))
    radius = rng.uniform(0.2, 0.35)
    row, column = rng.uniform(radius, 1 - radius, 2)
    turn = rng.uniform(0, 2 * np.pi)
    at = centres(size)
    mask = outline(label, at, radius=radius, row=row, column=column, turn=turn)
    back, front = (_between(colours, _waves(rng, at)) for colours in _LOOKS[look])
    image = np.where(mask[..., None], front, back)
    pixels = np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)
    return {"image": pixels, "label": label, "foreground": mask.astype(np.uint8)}


def _waves(rng: np.random.Generator, at: np.ndarray) -> np.ndarray:
    """One direction and length a picture, in [0, 1]."""
    count, angle, phase = rng.uniform((1, 0, 0), (4, np.pi, 2 * np.pi))
    along = at[None, :] * np.cos(angle) + at[:, None] * np.sin(angle)
    return (np.sin(2 * np.pi * count * along + phase) + 1) / 2


def _between(colours, share: np.ndarray) -> np.ndarray:
    first, second = np.array(colours)
    return first + share[..., None] * (second - first)
