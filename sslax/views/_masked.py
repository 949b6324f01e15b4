"""One view and a mask over its patches."""

from __future__ import annotations

from collections.abc import Callable

import jax

from sslax import augment
from sslax.augment._masks import check_ratio
from sslax.augment._normalize import to_float
from sslax.augment._patches import grid_of


def masked(*, view: Callable, mask: Callable) -> Callable:
    """One view of every image, and a mask over its patches, drawn after the crop.

    Args:
      view: makes the view, as `view` gives it.
      mask: `(key, image [b h w c]) -> dict of arrays`, such as `random_mask` gives.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array, and what the mask gives.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import random_mask, view
      >>> make = masked(view=view(size=16), mask=random_mask(patch_size=4))
      >>> batch = make(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> batch["views"][0].shape, batch["keep"].shape, batch["mask"].shape
      ((2, 16, 16, 3), (2, 4), (2, 16))

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, section 3.
    """

    def views(key, batch):
        view_key, mask_key = jax.random.split(key)
        image = view(view_key, to_float(batch["image"]), batch.get("box"))
        return {**batch, "views": (image,), **mask(mask_key, image)}

    return views


def random_mask(*, patch_size, ratio: float = 0.75) -> Callable:
    """Removes a fixed number of patches at random from each image.

    Args:
      patch_size: side of a patch in pixels; must divide the view.
      ratio: the part that is removed; `int(n * (1 - ratio))` patches stay.

    Returns:
      `(key, image) -> {"keep": int32 [b k], "restore": int32 [b n], "mask": [b n]}`,
      with mask 1 where a patch is removed.

    Raises:
      ValueError: for a ratio outside [0, 1); when called, for a patch size that does
        not divide the view.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> make = random_mask(patch_size=4, ratio=0.5)
      >>> make(jax.random.key(0), jnp.ones((2, 16, 16, 3)))["mask"].sum(1).tolist()
      [8.0, 8.0]

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, section 3.
    """
    check_ratio(ratio)

    def mask(key, image):
        rows, columns = grid_of(*image.shape[1:3], patch_size)
        drawn = augment.random_mask(
            key, batch=image.shape[0], patches=rows * columns, ratio=ratio
        )
        return drawn._asdict()

    return mask
