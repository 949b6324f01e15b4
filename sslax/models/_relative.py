"""Tables of relative positions for another window or image."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

__all__ = ["resize_relative_positions"]


def _spread_offsets(old, new):
    """Offsets 0, 1, 1 + q, 1 + q + q^2, ... and their negatives, out to about `new`.

    The ratio q is found by bisection between 1.01 and 1.5.
    """
    low, high = 1.01, 1.5
    while high - low > 1e-6:
        ratio = (low + high) / 2
        reach = (1 - ratio**old) / (1 - ratio)
        low, high = (low, ratio) if reach > new else (ratio, high)
    steps = np.cumsum(ratio ** np.arange(old))
    return np.concatenate([-steps[::-1], [0.0], steps])


def _spline_matrix(places, wanted):
    """Rows give the weights of values at `places` in their cubic spline at `wanted`.

    The spline has its third derivative continuous at the second and the last but one
    place; outside of all places it is constant.
    """
    n, gaps = len(places), np.diff(places)
    system, right = np.zeros((n, n)), np.zeros((n, n))
    for i in range(1, n - 1):
        before, after = gaps[i - 1], gaps[i]
        system[i, i - 1 : i + 2] = before, 2 * (before + after), after
        right[i, i - 1 : i + 2] = 1 / before, -1 / before - 1 / after, 1 / after
    for row, (a, b) in ((0, gaps[:2]), (-1, gaps[-2:])):
        columns = slice(0, 3) if row == 0 else slice(n - 3, n)
        system[row, columns] = b, -a - b, a
    curvature = np.linalg.solve(system, 6 * right)
    wanted = np.clip(wanted, places[0], places[-1])
    i = np.clip(np.searchsorted(places, wanted) - 1, 0, n - 2)
    gap, t, rows = gaps[i], wanted - places[i], np.arange(len(wanted))
    near, far = (gap - t) / gap, t / gap
    values = np.zeros((len(wanted), n))
    values[rows, i], values[rows, i + 1] = near, far
    bend = np.zeros_like(values)
    bend[rows, i] = (near**3 - near) * gap**2 / 6
    bend[rows, i + 1] = (far**3 - far) * gap**2 / 6
    return values + bend @ curvature


def resize_relative_positions(
    table: Float[Array, "n h"], *, side: int, prefix: int = 0
) -> Float[Array, "m h"]:
    """Resizes a table of relative positions of a square window to another side.

    The old offsets are spread geometrically, so that near ones stay about where they
    are and the farthest comes to the new farthest; then a cubic spline on both axes.

    Args:
      table: `[(2w-1)^2 + prefix heads]`, as in the nets' parameters.
      side: the new side of the window (Swin) or of the grid of patches (ViT).
      prefix: last rows to keep as they are: 3 for a ViT with a class token.

    Returns:
      `[(2*side-1)^2 + prefix heads]`; the same table when the side is the same.

    Raises:
      ValueError: the table is not of a square window of at least 3.

    Example:
      >>> import jax.numpy as jnp
      >>> table = jnp.ones((11 * 11, 4))  # a window of 6, pretrained at 192 pixels
      >>> resize_relative_positions(table, side=7).shape
      (169, 4)

    References:
      Bao et al., "BEiT: BERT Pre-Training of Image Transformers", 2022,
      arXiv:2106.08254; Xie et al., "SimMIM: A Simple Framework for Masked Image
      Modeling", 2022, arXiv:2111.09886: in their codes for fine-tuning.
    """
    count = table.shape[0] - prefix
    span = round(max(count, 0) ** 0.5)
    if span * span != count or span % 2 == 0 or span < 5:
        raise ValueError(
            f"{table.shape[0]} rows less {prefix} are not (2w-1)^2 offsets of a window "
            f"of w x w patches, w at least 3"
        )
    if span == 2 * side - 1:
        return table
    places = _spread_offsets(span // 2, side - 1)
    matrix = _spline_matrix(places, np.arange(1.0 - side, side))
    matrix = jnp.asarray(matrix, table.dtype)
    grid = table[:count].reshape(span, span, -1)
    grid = jnp.einsum("ai,bj,ijh->abh", matrix, matrix, grid)
    return jnp.concatenate([grid.reshape(-1, grid.shape[-1]), table[count:]])
