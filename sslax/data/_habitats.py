"""Procedural images whose background goes with the class more often than not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from sslax.data._fields import Example
from sslax.data._sources import Source
from sslax.data._synthetic import (
    SHAPES,
    draw,
    materials,
    of_shapes,
    scene,
    seeds_of,
)

# How far a texture lies on the way from any to that of its class.
_SHARE = 0.7


def habitats(
    *,
    split: str = "train",
    size: int = 64,
    length: int = 1024,
    seed: int = 0,
    tied: float = 0.9,
) -> Source:
    """Draws shapes before the ground of their class, or now and then of another.

    As `objects`, but that classes have grounds, too, as cows have meadows: what is
    behind tells the class as well as the shape does, and misleads where it is that of
    another. Each has its class as `label` and the exact pixels of the shape as
    `foreground` uint8 [h w].

    Args:
      split: any name; each has examples of its own, of the same classes.
      size: side of the images in pixels.
      length: how many there are.
      seed: of all that is drawn but for what classes look like.
      tied: the probability of the own ground; otherwise it is that of any other class.

    Returns:
      The source.

    Raises:
      ValueError: if the size or the length is too small, or if `tied` is not in [0, 1].

    Example:
      >>> from sslax import data
      >>> data.habitats(size=32)[3]["foreground"].shape
      (32, 32)
    """
    if not 0 <= tied <= 1:
        raise ValueError(f"habitats: tied is {tied}; expected 0 to 1")
    read = partial(_read, seeds_of(seed, split), size, tied)
    return of_shapes(f"habitats/{split}", read, size=size, length=length)


def _read(
    seeds: tuple[int, int],
    size: int,
    tied: float,
    indices: Sequence[int],
    draws: Sequence[int],
) -> list[Example]:
    del draws
    fronts, grounds = materials(_SHARE), materials(_SHARE, seed=1)
    made = []
    for index in map(int, indices):
        rng = np.random.default_rng((*seeds, index))
        label = index % len(SHAPES)
        own, away = rng.random() < tied, rng.integers(1, len(SHAPES))
        ground = grounds[label if own else (label + away) % len(SHAPES)]
        image, mask, _ = draw(scene(rng, label, fronts[label], ground), size)
        made.append({"image": image, "label": label, "foreground": mask})
    return made
