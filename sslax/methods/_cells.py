"""What the methods of cells of feature maps share."""

from __future__ import annotations

from jaxtyping import Array, Bool, Float

from sslax import losses
from sslax.core import Batch

__all__ = ["pairs_of"]


def pairs_of(
    batch: Batch, maps: Float[Array, "b h w d"], ratio: float
) -> Bool[Array, "b n n"]:
    """Which cells of the first and of the second view show the same place.

    Args:
      batch: a batch of `views.pixel_views`, or with "positives" [b n n] of its own.
      maps: maps of either view.
      ratio: see `losses.pixel_positives`.

    Returns:
      The pairs.

    Raises:
      ValueError: if the batch does not say where its views were cut.
    """
    if "positives" in batch:
        return batch["positives"].astype(bool)
    if "coordinates" not in batch:
        raise ValueError(
            "the batch has no coordinates: it does not say where the views were cut; "
            "make them with views.pixel_views"
        )
    first, second = batch["coordinates"][:, 0], batch["coordinates"][:, 1]
    return losses.pixel_positives(first, second, size=maps.shape[1:3], ratio=ratio)
