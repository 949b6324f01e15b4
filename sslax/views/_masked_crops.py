"""Several views, masks of the large ones, ratios that differ between images."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import augment
from sslax.augment.parts import grid_of
from sslax.core import Drawn, in_parts
from sslax.kinds import Builder, Mask

__all__ = ["check_ranges", "hide_some", "masked_crops", "on_patches", "per_unit"]


def masked_crops(*, crops: Builder, mask: Mask) -> Builder:
    """Several views of every image, and a mask over the patches of the first two.

    Args:
      crops: makes the views, large ones first, as `multi_crop` or `two_views` gives it.
      mask: `(key, image [b h w c]) -> dict of arrays`, such as `hide_blocks` gives;
        each of the two views has a mask of its own. Of the image it is told the shape
        alone.

    Returns:
      `(key, batch) -> batch` with `batch["views"]` and `batch["mask"]`, two arrays,
      float32 `[b n]`: 1 where a patch is hidden. The views themselves are whole.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import hide_blocks, two_views, view
      >>> make = masked_crops(
      ...     crops=two_views(first=view(size=16)),
      ...     mask=hide_blocks(patch_size=4, count=None),
      ... )
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> [m.shape for m in batch["mask"]]
      [(2, 16), (2, 16)]

    References:
      Zhou et al., iBOT: Image BERT Pre-Training with Online Tokenizer, 2021,
      arXiv:2111.07832, section 3.2.
    """

    parts = in_parts(crops)

    def draw(key, batch):
        crop_key, mask_key = jax.random.split(key)
        large = jax.eval_shape(crops, crop_key, batch)["views"][:2]
        number, *rest = large[0].shape
        together = jax.ShapeDtypeStruct((len(large) * number, *rest), large[0].dtype)
        masks = mask(mask_key, together)["mask"]
        masks = masks.reshape(number, len(large), -1)
        masks = tuple(masks[:, i] for i in range(len(large)))
        return parts.draw(crop_key, batch), masks

    def make(drawn, batch):
        return {**parts.make(drawn[0], batch), "mask": drawn[1]}

    return Drawn(draw, make)


def hide_some(
    *, patch_size, unit: int | None = None, ratios=(0.0, 0.3), spread=(0.0, 0.2)
) -> Mask:
    """Hides patches at random, another part of each image.

    Args:
      patch_size: side of a patch of the model in pixels; must divide the view.
      unit: side in pixels of what is hidden whole, a multiple of the patch size; None
        is a patch.
      ratios: centres of the ranges of the part that is hidden, one of which is picked.
      spread: half widths of the ranges.

    Returns:
      `(key, image) -> {"mask": float32 [b n]}`, 1 where a patch is hidden.

    Raises:
      ValueError: for a unit that is no multiple of the patch, or ranges that leave
        [0, 1) or hide nothing; when called, for a unit that does not divide the view.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> make = hide_some(patch_size=4, ratios=(0.7,), spread=(0.0,))
      >>> image = jnp.ones((2, 16, 16, 3))
      >>> jax.jit(make)(jax.random.key(0), image)["mask"].sum(1).tolist()
      [11.0, 11.0]

    References:
      Zhou et al., iBOT: Image BERT Pre-Training with Online Tokenizer, 2021,
      arXiv:2111.07832, section 4.3: random masks in place of blocks.
    """
    repeat = per_unit(unit, patch_size)
    check_ranges(ratios, spread)

    def mask(key, image):
        rows, columns = grid_of(*image.shape[1:3], repeat * patch_size)
        ratio_key, noise_key = jax.random.split(key)
        ratio = augment.random_ratio(
            ratio_key, batch=image.shape[0], ratios=ratios, spread=spread
        )
        noise = jax.random.uniform(noise_key, (image.shape[0], rows * columns))
        place = jnp.argsort(jnp.argsort(noise, axis=1), axis=1)
        hidden = place < jnp.floor(ratio * (rows * columns))[:, None]
        return {"mask": on_patches(hidden.reshape(-1, rows, columns), repeat)}

    return mask


def per_unit(unit, patch_size):
    """How many patches lie along a side of a unit."""
    unit = patch_size if unit is None else unit
    if unit % patch_size or unit < patch_size:
        raise ValueError(f"unit {unit} is no multiple of patch_size {patch_size}")
    return unit // patch_size


def on_patches(mask, repeat):
    """A mask of units `[b h w]` as one of patches: float32 `[b n]`."""
    fine = jnp.repeat(jnp.repeat(mask, repeat, axis=1), repeat, axis=2)
    return fine.reshape(len(mask), -1).astype(jnp.float32)


def check_ranges(ratios, spread):
    """Raises if no patch of any image, or every patch of one, would be hidden."""
    ranges = [
        (middle - half, middle + half)
        for middle, half in zip(ratios, spread, strict=False)
    ]
    if any(low < 0 or high >= 1 for low, high in ranges):
        raise ValueError(
            f"ratios {tuple(ratios)} with spread {tuple(spread)} leave [0, 1): in some "
            "images nothing would be visible"
        )
    if all(high <= 0 for _, high in ranges):
        raise ValueError(f"ratios {tuple(ratios)} hide no patch of any image")
