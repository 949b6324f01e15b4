"""What masked image models share: masks on their grid, readings by place, pictures."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array

from sslax import augment
from sslax.arrays import at_least_float32
from sslax.augment.parts import grid_of
from sslax.core import Batch, Net, Output
from sslax.nets import main_output

__all__ = ["mask_on_patches", "paint", "painted_patches", "readings_by_place"]


def mask_on_patches(batch: Batch, *, patch_size: int) -> Array:
    """The mask of a batch on the grid of its patches, checked before the first step.

    Args:
      batch: a batch of one view that `views.masked` has made.
      patch_size: side of a patch in pixels.

    Returns:
      `[b rows columns]`, 1 where a patch is hidden.

    Raises:
      ValueError: if patches do not divide the view, or the mask is missing or of
        another grid.
    """
    (image, *_), mask = batch["views"], batch.get("mask")
    rows, columns = grid_of(*image.shape[1:3], patch_size)
    if mask is None:
        raise ValueError(
            "the batch has no mask; make it with the views `masked` and a mask such as "
            "hide_patches or hide_units"
        )
    if mask.shape[1:] not in ((rows * columns,), (rows, columns)):
        raise ValueError(
            f"patches of {patch_size} pixels make a grid of {rows} x {columns} on a "
            f"view of {image.shape[1]} x {image.shape[2]}, and the mask of an image "
            f"has the shape {mask.shape[1:]}: give both the same patch_size"
        )
    return mask.reshape(len(mask), rows, columns)


def readings_by_place(encoder: Net, *, patch_size: int) -> dict[str, Output]:
    """Outputs of an encoder on all patches of the first view, in inference mode.

    Args:
      encoder: its main output is a map `[b h w d]`, or tokens `[b n d]` of which the
        last are the patches; parameters and statistics stand under "encoder".
      patch_size: side of the patch of a token in pixels.

    Returns:
      "map", "features" (its mean), and "attention" where the encoder gives it.
    """

    def seen(params, extra, batch):
        stats, (image, *_) = extra["stats"]["encoder"], batch["views"]
        return encoder.apply(params["encoder"], stats, image)[0]

    def by_place(params, extra, batch, *, key):
        del key
        found = at_least_float32(main_output(encoder, seen(params, extra, batch)))
        if found.ndim == 4:
            return found
        rows, columns = grid_of(*batch["views"][0].shape[1:3], patch_size)
        tokens = found[:, -rows * columns :]
        return tokens.reshape(len(tokens), rows, columns, -1)

    def features(params, extra, batch, *, key):
        return by_place(params, extra, batch, key=key).mean(axis=(1, 2))

    def attention(params, extra, batch, *, key):
        del key
        return seen(params, extra, batch)["attention"]

    read = {"features": features, "map": by_place}
    looks = {"attention": attention} if "attention" in encoder.outputs else {}
    return {**read, **looks}


def painted_patches(
    pixels: Array, image: Array, *, patch_size: int, normalized: bool
) -> Array:
    """Predicted patches as an image in the unit of the view.

    Args:
      pixels: the patches `[b n p*p*c]`, or a map of them.
      image: the view `[b h w c]`.
      patch_size: side of a patch in pixels.
      normalized: each was predicted in the mean and deviation of its own.

    Returns:
      `[b h w c]`.
    """
    pixels = pixels.reshape(len(pixels), -1, pixels.shape[-1])
    if normalized:
        own = augment.patchify(image, patch_size=patch_size)
        mean, deviation = (
            own.mean(-1, keepdims=True),
            own.std(-1, keepdims=True, ddof=1),
        )
        pixels = pixels * deviation + mean
    grid = grid_of(*image.shape[1:3], patch_size)
    return augment.unpatchify(pixels, patch_size=patch_size, grid=grid)


def paint(image: Array, painted: Array, mask: Array) -> dict[str, Array]:
    """The pictures of the report.

    Args:
      image: the view `[b h w c]`.
      painted: a prediction of all of it, in its unit.
      mask: `[b rows columns]`, 1 where it was hidden.

    Returns:
      "image", "visible" (0 where hidden) and "painted" (predicted where hidden).
    """
    for axis in (1, 2):
        mask = jnp.repeat(mask, image.shape[axis] // mask.shape[axis], axis=axis)
    hidden = mask[..., None].astype(bool)
    return {
        "image": image,
        "visible": jnp.where(hidden, 0, image),
        "painted": jnp.where(hidden, painted, image),
    }
