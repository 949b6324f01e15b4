"""Correspondence: which places of two images look alike to the network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array

from sslax.evaluate._knn import neighbours
from sslax.evaluate.tasks._drawing import dotted, enlarged
from sslax.evaluate.tasks._task import Pictures, Results, Split, Task, read_split


def correspond(*, pairs: int = 6, examples: int = 256) -> Task:
    """Draws, for places of one image, the nearest places of another one.

    Every image is shown with the one whose mean feature is nearest; five places are
    marked in both.

    Args:
      pairs: how many pairs of images to draw.
      examples: test images among which partners are sought.

    Returns:
      A task for methods with the output "map"; it has pictures and no number.
    """

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        split = read_split(splits)
        return Results(pictures=lambda: [_drawn(split, pairs)])

    return Task(needs=("map",), run=run, splits=("test",), examples=examples)


def matches(first: np.ndarray, second: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """For cells [k 2] of a map [h w d], the cells of another of highest cosine."""
    width, d = second.shape[1], second.shape[-1]
    asked = first[cells[:, 0], cells[:, 1]]
    _, place = neighbours(second.reshape(-1, d), asked, k=1)
    place = np.asarray(place)[:, 0]
    return np.stack([place // width, place % width], axis=1)


def _drawn(split: Split, pairs: int) -> Pictures:
    maps = np.asarray(split.outputs["map"])
    h, w = maps.shape[1:3]
    rows = np.linspace(0, len(maps) - 1, min(pairs, len(maps))).astype(int)
    means = maps.mean(axis=(1, 2))
    _, near = neighbours(means, means[rows], k=min(2, len(maps)))
    # An image is its own nearest; where another one equals it, any of them will do.
    partners = [
        next((j for j in found if j != i), i)
        for i, found in zip(rows, np.asarray(near), strict=True)
    ]
    at = [(0.5, 0.5), (0.3, 0.3), (0.3, 0.7), (0.7, 0.3), (0.7, 0.7)]
    cells = np.array([(int(y * h), int(x * w)) for y, x in at])
    assert split.images is not None
    shown = [[enlarged(x) for x in split.images(r)] for r in (rows, np.array(partners))]
    drawn = [
        (
            dotted(one, cells, (h, w)),
            dotted(other, matches(maps[i], maps[j], cells), (h, w)),
        )
        for one, other, i, j in zip(*shown, rows, partners, strict=True)
    ]
    return Pictures(
        "Correspondence",
        "Five places of an image, and the places of its nearest image whose features "
        "have the highest cosine, in the same colours.",
        [("places", [a for a, _ in drawn]), ("nearest", [b for _, b in drawn])],
    )
