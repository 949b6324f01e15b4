"""Marks on pictures: masks, heat, numbered points."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

COLOURS = np.array(
    [[235, 90, 40], [40, 120, 235], [60, 190, 90], [240, 200, 40], [170, 80, 220]],
    np.float32,
)


def enlarged(picture: np.ndarray, side: int = 128) -> np.ndarray:
    """A picture whose pixels are repeated until it has about `side` of them."""
    times = max(1, side // max(picture.shape[:2]))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def masked(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A picture with what a mask [h w] leaves out made dark."""
    dimmed = 0.25 * picture.astype(np.float32)
    return np.where(fitted(mask, picture)[..., None], picture, dimmed).astype(np.uint8)


def heated(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A picture lit where a map [h w] is high."""
    low, high = float(heat.min()), float(heat.max())
    share = fitted((heat - low) / max(high - low, 1e-12), picture)[..., None]
    lit = 0.3 * picture + share * (0.7 * COLOURS[0])
    return np.clip(np.round(lit), 0, 255).astype(np.uint8)


def dotted(
    picture: np.ndarray, cells: Int[np.ndarray, "k 2"], grid: tuple[int, int]
) -> np.ndarray:
    """A picture with a coloured square in the middle of some cells of a grid."""
    picture = picture.copy()
    height, width = picture.shape[:2]
    radius = max(1, max(height, width) // 40)
    for i, (row, column) in enumerate(cells):
        y = int((row + 0.5) * height / grid[0])
        x = int((column + 0.5) * width / grid[1])
        place = (
            slice(max(0, y - radius), y + radius + 1),
            slice(max(0, x - radius), x + radius + 1),
        )
        picture[place] = COLOURS[i % len(COLOURS)]
    return picture


def fitted(grid: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """A grid [h w] at the size of a picture, nearest cell."""
    rows = np.arange(picture.shape[0]) * grid.shape[0] // picture.shape[0]
    columns = np.arange(picture.shape[1]) * grid.shape[1] // picture.shape[1]
    return grid[rows][:, columns]
