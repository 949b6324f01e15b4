"""What drawn images show, and how it is told in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

COLOURS = {
    "black": (0.1, 0.1, 0.1),
    "grey": (0.5, 0.5, 0.5),
    "white": (0.9, 0.9, 0.9),
    "red": (0.8, 0.2, 0.2),
    "green": (0.2, 0.8, 0.2),
    "blue": (0.2, 0.2, 0.8),
    "yellow": (0.8, 0.8, 0.2),
    "purple": (0.8, 0.2, 0.8),
    "cyan": (0.2, 0.8, 0.8),
    "brown": (0.5, 0.35, 0.2),
    "pink": (0.85, 0.55, 0.65),
    "olive": (0.45, 0.5, 0.2),
}
"""Colours of captions, in [0, 1]; a texture has the name that is nearest."""

# Waves across the image from which a texture is fine.
_FINE = 7.0
# Radius from which a shape is large.
_LARGE = 0.225


class Texture(NamedTuple):
    """Waves of two directions between two colours.

    Attributes:
      colours: in [0, 1], [2 3].
      waves: for each direction how many cross the image, its angle and phase, [2 3].
    """

    colours: np.ndarray
    waves: np.ndarray


class Scene(NamedTuple):
    """What an example shows, in fractions of the image: the same at any size."""

    label: int
    radius: float
    row: float
    column: float
    turn: float
    front: Texture
    back: Texture


def colour(texture: Texture) -> str:
    """The name of the mean colour of a texture."""
    apart = np.subtract(list(COLOURS.values()), texture.colours.mean(axis=0))
    return list(COLOURS)[int(np.argmin(np.square(apart).sum(axis=1)))]


def grain(texture: Texture) -> str:
    """Whether a texture has few waves or many."""
    return "fine" if texture.waves[:, 0].mean() >= _FINE else "coarse"


def place(seen: Scene) -> str:
    """Where a shape lies: one of nine places."""
    rows, columns = ("top", "middle", "bottom"), ("left", "middle", "right")
    row, column = rows[int(3 * seen.row)], columns[int(3 * seen.column)]
    return (
        "middle" if row == column else f"{row} {column}".replace("middle", "").strip()
    )


def told(seen: Scene, shapes: Sequence[str]) -> tuple[str, ...]:
    """Several captions of one scene, which tell different things of it."""
    shape = shapes[seen.label]
    size = "large" if seen.radius >= _LARGE else "small"
    front, back = colour(seen.front), colour(seen.back)
    return (
        f"a {front} {shape}",
        f"a {size} {shape} in the {place(seen)}",
        f"a {front} {shape} on {back}",
        f"a {size} {front} {shape} in the {place(seen)} of a {back} picture",
        f"a {shape} with a {grain(seen.front)} {front} texture on {back}",
    )
