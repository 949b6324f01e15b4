"""One view and a mask over its patches."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from sslax import augment
from sslax.augment import to_float
from sslax.augment.parts import check_ratio, grid_of
from sslax.core import Drawn
from sslax.kinds import Builder, Mask, View
from sslax.views._masked_crops import check_ranges, on_patches, per_unit
from sslax.views._several import from_each


def masked(*, view: View, mask: Mask, rendering: View | None = None) -> Builder:
    """One view of every image, and a mask over its patches, drawn after the crop.

    Args:
      view: makes the view, as `view` gives it.
      mask: `(key, image [b h w c]) -> dict of arrays`, such as `hide_patches` gives; of
        the image it is told the shape alone.
      rendering: draws the same crop again, as `renderings` does, for what sees all of
        it: BEiT's tokenizer. It is never normalised.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array, what the mask gives, and
      `batch["rendering"]` where it is drawn, in [0, 1].

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import hide_patches, view
      >>> make = masked(view=view(size=16), mask=hide_patches(patch_size=4))
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> batch["views"][0].shape, batch["keep"].shape, batch["mask"].shape
      ((2, 16, 16, 3), (2, 4), (2, 16))

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, section 3.
    """

    both = (view,) if rendering is None else (view, rendering)
    parts = from_each(both, lambda key: (key,) * len(both))

    def draw(key, batch):
        view_key, mask_key = jax.random.split(key)
        image = jax.eval_shape(parts, view_key, batch)["views"][0]
        return parts.draw(view_key, batch), mask(mask_key, image)

    def make(drawn, batch):
        image, *again = parts.make(drawn[0], batch)["views"]
        made = {**batch, "views": (image,), **drawn[1]}
        return {**made, "rendering": to_float(again[0])} if again else made

    return Drawn(draw, make)


def hide_patches(*, patch_size, ratio: float = 0.75) -> Mask:
    """Removes a fixed number of patches at random from each image.

    Args:
      patch_size: side of a patch in pixels; must divide the view.
      ratio: the part that is removed; `int(n * (1 - ratio))` patches stay.

    Returns:
      `(key, image) -> {"keep": int32 [b k], "restore": int32 [b n], "mask": [b n]}`,
      with mask 1 where a patch is removed.

    Raises:
      ValueError: for a ratio outside [0, 1); when called, for a patch size that does
        not divide the view, or a ratio that hides or leaves no patch of it.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> make = hide_patches(patch_size=4, ratio=0.5)
      >>> image = jnp.ones((2, 16, 16, 3))
      >>> jax.jit(make)(jax.random.key(0), image)["mask"].sum(1).tolist()
      [8.0, 8.0]

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, section 3.
    """
    check_ratio(ratio)

    def mask(key, image):
        rows, columns = grid_of(*image.shape[1:3], patch_size)
        count = rows * columns
        _check_some(ratio, "patches", count, hidden=count - int(count * (1 - ratio)))
        drawn = augment.random_mask(
            key, batch=image.shape[0], patches=count, ratio=ratio
        )
        return drawn._asdict()

    return mask


def hide_blocks(
    *,
    patch_size,
    unit: int | None = None,
    count: int | None = 75,
    ratios=(0.0, 0.3),
    spread=(0.0, 0.2),
    least: int | None = None,
    exact: bool = False,
) -> Mask:
    """Hides random blocks of patches: BEiT's with a count, iBOT's with ratios.

    Args:
      patch_size: side of a patch of the model in pixels; must divide the view.
      unit: side in pixels of what is hidden whole, a multiple of the patch size: the
        last patches of a Swin transformer. None is a patch.
      count: how many units to hide at most (BEiT: 75 of 196); None draws a ratio for
        each image instead (iBOT).
      ratios: centres of the ranges of the ratio, one of which is picked.
      spread: half widths of the ranges.
      least: smallest area drawn for a block; None is 16 with a count, and
        `(min(grid) // 3) ** 2` with ratios.
      exact: hide random units at the end until the count is reached.

    Returns:
      `(key, image) -> {"mask": float32 [b n]}`, 1 where a patch is hidden.

    Raises:
      ValueError: for a unit that is no multiple of the patch, a count below 1, or
        ranges that leave [0, 1) or hide nothing; when called, for a unit that does not
        divide the view, or a count that leaves no unit of it.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> make = hide_blocks(patch_size=16, exact=True)
      >>> image = jnp.ones((1, 224, 224, 3))
      >>> jax.jit(make)(jax.random.key(0), image)["mask"].sum().item()
      75.0

    References:
      Bao et al., BEiT: BERT Pre-Training of Image Transformers, 2021, arXiv:2106.08254,
      algorithm 1. Zhou et al., iBOT: Image BERT Pre-Training with Online Tokenizer,
      2021, arXiv:2111.07832, section 3.3.
    """
    repeat = per_unit(unit, patch_size)
    if count is None:
        check_ranges(ratios, spread)
    elif count < 1:
        raise ValueError(f"count={count} hides nothing; the least is 1")

    def mask(key, image):
        grid = grid_of(*image.shape[1:3], repeat * patch_size)
        places = grid[0] * grid[1]
        if count is not None and count >= places:
            raise ValueError(f"count={count} leaves none of {places} places")
        ratio_key, block_key = jax.random.split(key)
        if count is None:
            ratio = augment.random_ratio(
                ratio_key, batch=image.shape[0], ratios=ratios, spread=spread
            )
            target, smallest = ratio * (grid[0] * grid[1]), (min(grid) // 3) ** 2
        else:
            target, smallest = jnp.full(image.shape[0], float(count)), 16
        smallest = smallest if least is None else least
        made = augment.block_mask(
            block_key, target, grid=grid, least=smallest, exact=exact
        )
        return {"mask": on_patches(made.mask, repeat)}

    return mask


def hide_units(*, patch_size, unit: int = 32, ratio: float = 0.6) -> Mask:
    """Hides a fixed number of coarse units, each several patches wide.

    Args:
      patch_size: side of a patch of the model in pixels.
      unit: side of a unit in pixels, a multiple of the patch size.
      ratio: the part that is hidden; `ceil(ratio * units)` units are.

    Returns:
      `(key, image) -> {"mask": float32 [b n]}`, 1 where a patch is hidden.

    Raises:
      ValueError: for a wrong ratio or a unit that is no multiple of the patch; when
        called, for a unit that does not divide the view, or a ratio that hides none or
        leaves none.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> make = hide_units(patch_size=4)
      >>> image = jnp.ones((1, 192, 192, 3))
      >>> jax.jit(make)(jax.random.key(0), image)["mask"].sum().item()
      1408.0

    References:
      Xie et al., SimMIM: a Simple Framework for Masked Image Modeling, 2021,
      arXiv:2111.09886, section 3.2.
    """
    check_ratio(ratio)
    per_unit(unit, patch_size)

    def mask(key, image):
        grid = grid_of(*image.shape[1:3], unit)
        count = grid[0] * grid[1]
        _check_some(ratio, "units", count, hidden=math.ceil(ratio * count))
        made = augment.unit_mask(
            key,
            batch=image.shape[0],
            grid=grid,
            ratio=ratio,
            repeat=unit // patch_size,
        )
        return {"mask": made.reshape(image.shape[0], -1)}

    return mask


def hide_alike(mask: Mask) -> Mask:
    """One mask for all images of the batch, for encoders that keep the same patches.

    Args:
      mask: `(key, image) -> dict of arrays [b ...]`, such as `hide_units` gives.

    Returns:
      The same, drawn once and repeated.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> make = hide_alike(hide_units(patch_size=4, ratio=0.75))
      >>> drawn = jax.jit(make)(jax.random.key(0), jnp.ones((2, 224, 224, 3)))["mask"]
      >>> drawn.shape, (drawn[0] == drawn[1]).all().item()
      ((2, 3136), True)

    References:
      Wang et al., Masked Image Modeling with Local Multi-Scale Reconstruction, 2023,
      arXiv:2303.05251, section 4.1: one mask for a batch of the Swin encoder.
    """

    def shared(key, image):
        first = jax.ShapeDtypeStruct((1, *image.shape[1:]), image.dtype)
        drawn = mask(key, first)
        return {
            name: jnp.broadcast_to(array, (image.shape[0], *array.shape[1:]))
            for name, array in drawn.items()
        }

    return shared


def _check_some(ratio: float, parts: str, count: int, *, hidden: int) -> None:
    if not 0 < hidden < count:
        does = "leaves" if hidden else "hides"
        raise ValueError(f"ratio={ratio} {does} none of {count} {parts}")
