"""What methods that predict codes in a grid of patches share."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.checks import check_rank
from sslax.core import Batch, Net, Output
from sslax.nets import chain, features_of, main_output, views_of

__all__ = ["by_patch", "check_rows", "grid_readings", "patches_of", "turned"]


def patches_of(batch: Batch) -> Float[Array, "b h w p q c"]:
    """The grid of patches, the only view of a batch.

    Args:
      batch: a batch that `views.overlapping_patches` has made.

    Returns:
      The patches `[b h w p q c]`.

    Raises:
      ValueError: for several views, or one that is no grid of patches.
    """
    (patches,) = views_of(batch, 1)
    check_rank(6, patches=patches)
    return patches


def by_patch(encoder: Net) -> Net:
    """An encoder of patches over grids of them, each alone.

    Args:
      encoder: patches [n p q c] to codes [n d].

    Returns:
      A net of grids `[b h w p q c]` with codes `[b h w d]`.
    """

    def flat(patches):
        return patches.reshape(-1, *patches.shape[3:])

    def init(key, patches):
        return encoder.init(key, flat(patches))

    def apply(params, stats, patches, **options):
        out, stats = encoder.apply(params, stats, flat(patches), **options)
        return main_output(encoder, out).reshape(*patches.shape[:3], -1), stats

    return Net(init, apply)


def check_rows(
    grids: Sequence[Float[Array, "b _h _w e"]], *, steps: int, skip: int
) -> None:
    """Raises unless a grid has a row for every step and one to look from.

    Args:
      grids: codes, turned to each direction.
      steps: how many rows are predicted.
      skip: how many are left out before them.

    Raises:
      ValueError: for fewer rows.
    """
    least, rows = steps + skip + 1, min(grid.shape[1] for grid in grids)
    if rows < least:
        raise ValueError(
            f"{steps} steps after {skip} skipped rows need {least} or more rows of "
            f"patches; got {rows}: take smaller patches, or {rows - skip - 1} steps"
        )


def turned(grid: Float[Array, "b h w d"], times: int) -> Float[Array, "b _h _w d"]:
    """A grid turned clockwise, so that another side is below.

    Args:
      grid: codes or what is told of them.
      times: how often by 90 degrees.

    Returns:
      The grid; its sides change places where they are turned by 90 or 270.
    """
    return jnp.rot90(grid, -times, axes=(1, 2))


def grid_readings(encoder: Net) -> dict[str, Output]:
    """The codes of a grid as a map, and their mean as the features.

    Args:
      encoder: as `by_patch` gives it, whose group is "encoder".

    Returns:
      "features" [b d] and "map" [b h w d].
    """
    codes = features_of(chain(encoder=encoder), "encoder")

    def features(params, extra, batch, *, key):
        return codes(params, extra, batch, key=key).mean(axis=(1, 2))

    return {"features": features, "map": codes}
