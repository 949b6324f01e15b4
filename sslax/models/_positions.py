"""Position tables of vision transformers."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sslax.checks import check_choice

__all__ = ["positions_on", "resize_positions", "sincos_positions", "sincos_table"]


def sincos_table(height, width, dim, first):
    """The table of `sincos_positions` without the class slot, in NumPy float64."""
    check_choice(("column", "row"), first=first)
    if dim % 4:
        raise ValueError(
            f"sin-cos positions need a width that 4 divides; it is {dim}, "
            f"the nearest are {dim // 4 * 4} and {-(-dim // 4) * 4}"
        )
    frequencies = 10000.0 ** (-np.arange(dim // 4) / (dim // 4))
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")

    def encode(index):
        angles = index.reshape(-1, 1) * frequencies
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)

    halves = [encode(columns), encode(rows)]
    return np.concatenate(halves if first == "column" else halves[::-1], axis=1)


def sincos_positions(
    *,
    height: int,
    width: int,
    dim: int,
    first: str = "column",
    class_token: bool = True,
) -> Float[Array, "n d"]:
    """Fixed two-dimensional sin-cos positions of a grid of patches, in raster order.

    Each half of the channels encodes one coordinate as [sin, cos] with frequencies
    10000^(-i/(d/4)).

    Args:
      height: rows of the grid.
      width: columns of the grid.
      dim: channels; 4 divides them.
      first: the coordinate in the first half: "column" (MAE) or "row" (MoCo v3).
      class_token: put a row of zeros first.

    Returns:
      `[height*width (+1) dim]`.

    Raises:
      ValueError: 4 does not divide dim, or an unknown first.

    Example:
      >>> [round(x, 2) for x in sincos_positions(height=2, width=2, dim=4)[2].tolist()]
      [0.84, 0.54, 0.0, 1.0]

    References:
      He et al., "Masked Autoencoders Are Scalable Vision Learners", 2022,
      arXiv:2111.06377. Chen et al., "An Empirical Study of Training Self-Supervised
      Vision Transformers", 2021, arXiv:2104.02057.

    Note:
      The two official codes order the halves differently; neither paper says.
    """
    table = sincos_table(height, width, dim, first)
    if class_token:
        table = np.concatenate([np.zeros((1, dim)), table])
    return jnp.asarray(table)


def _cubic(t, a=-0.75):
    t = np.abs(t)
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _bicubic_matrix(old, new, scale):
    """Rows give the weights of the old samples for each new one; edges repeat."""
    centres = (np.arange(new) + 0.5) * scale - 0.5
    floor = np.floor(centres).astype(int)
    matrix = np.zeros((new, old))
    for tap in range(-1, 3):
        index = np.clip(floor + tap, 0, old - 1)
        np.add.at(matrix, (np.arange(new), index), _cubic(centres - (floor + tap)))
    return matrix


def resize_positions(
    positions: Float[Array, "1 n d"],
    *,
    height: int,
    width: int,
    prefix: int = 1,
    convention: str = "size",
) -> Float[Array, "1 m d"]:
    """Resizes a learned position table of a square grid to another grid.

    Bicubic (a = -0.75), no antialiasing; the first `prefix` slots are kept.

    Args:
      positions: `[1 prefix+side*side d]`.
      height: rows of the new grid.
      width: columns of the new grid.
      prefix: slots that are no patch (the class token).
      convention: "size" samples at old/new (MAE, BEiT, timm); "factor" at
        old/(new + 0.1), as DINO and iBOT do against rounding.

    Returns:
      `[1 prefix+height*width d]`.

    Raises:
      ValueError: the table is not of a square grid, or an unknown convention.

    Example:
      >>> import jax.numpy as jnp
      >>> resize_positions(jnp.ones((1, 5, 3)), height=4, width=3).shape
      (1, 13, 3)

    References:
      Touvron et al., "Fixing the train-test resolution discrepancy", 2019,
      arXiv:1906.06423. Caron et al., "Emerging Properties in Self-Supervised Vision
      Transformers", 2021, arXiv:2104.14294.
    """
    check_choice(("size", "factor"), convention=convention)
    count = positions.shape[1] - prefix
    side = round(count**0.5)
    if side * side != count:
        raise ValueError(
            f"{positions.shape[1]} positions less {prefix} are not a square grid"
        )
    extra = 0.1 if convention == "factor" else 0.0
    rows = _bicubic_matrix(side, height, side / (height + extra))
    columns = _bicubic_matrix(side, width, side / (width + extra))
    grid = positions[0, prefix:].reshape(side, side, -1)
    grid = jnp.einsum(
        "hi,wj,ijd->hwd",
        jnp.asarray(rows, grid.dtype),
        jnp.asarray(columns, grid.dtype),
        grid,
    )
    grid = grid.reshape(1, height * width, -1)
    return jnp.concatenate([positions[:, :prefix], grid], axis=1)


def positions_on(
    table: Float[Array, "1 n d"],
    grid: tuple[int, int],
    *,
    prefix: int,
    convention: str = "size",
) -> Float[Array, "1 m d"]:
    """A learned table for this grid: as it is, or resized if it is of another.

    The table of a grid that is not square fits no other; one whose size is a square
    number is taken for that of a square grid.
    """
    height, width = grid
    count = table.shape[1] - prefix
    square = round(count**0.5) ** 2 == count
    if count == height * width and (height == width or not square):
        return table
    return resize_positions(
        table, height=height, width=width, prefix=prefix, convention=convention
    )
