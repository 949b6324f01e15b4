"""Other backgrounds behind the foreground, before the views are made."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax import augment
from sslax.augment import to_float
from sslax.augment.parts import check_choice, check_probability
from sslax.kinds import Builder, View


def _foreground(batch) -> tuple[Array, Array, Array]:
    """Float images, masks of their foreground, and which of them `[b]` are of use."""
    image = to_float(batch["image"])
    mask = batch.get("foreground")
    if mask is None:
        mask = augment.saliency_mask(augment.spectral_saliency(image))
    mask = mask.astype(image.dtype)
    share = jnp.mean(mask, axis=(1, 2, 3))
    return image, mask, (share > 0.05) & (share < 0.95)


def background(
    *, replace: str = "remove", probability: float = 0.2, then: Builder
) -> Builder:
    """Takes backgrounds away or exchanges them, before other views are made.

    The foreground is `batch["foreground"]` `[b h w 1]` if the data has it, else the
    spectral-residual saliency of the image, cut at three times its mean. Images whose
    foreground is less than 5 % or more than 95 % stay as they are.

    Args:
      replace: `remove` puts a grey of random level behind the foreground, `random` the
        tiled background of another image of the batch.
      probability: of doing so to an image.
      then: `(key, batch) -> batch`, the builder of the views.

    Returns:
      `(key, batch) -> batch`, what `then` gives on images with other backgrounds; with
      its own randomness for each view if `then` is called through `chain`.

    Raises:
      ValueError: for an unknown way or a probability outside [0, 1].

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import two_views, view
      >>> make = background(then=two_views(first=view(size=16)))
      >>> batch = make(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> batch["views"][0].shape
      (2, 16, 16, 3)

    References:
      Ryali et al., Characterizing and Improving the Robustness of Self-Supervised
      Learning through Background Augmentations, 2021, arXiv:2103.12719, section 3.
    """
    check_choice(replace, ("remove", "random"), "replace")
    check_probability(probability, "probability")

    def views(key, batch):
        level_key, apply_key, then_key = jax.random.split(key, 3)
        image, mask, usable = _foreground(batch)
        number = image.shape[0]
        if replace == "remove":
            level = jax.random.uniform(level_key, (number,))
            other = augment.remove_background(image, mask, level=level)
        else:
            behind = jnp.roll(augment.tile_background(image, mask), 1, axis=0)
            other = augment.compose(image, mask, behind)
        apply = usable & jax.random.bernoulli(apply_key, probability, (number,))
        image = jnp.where(apply[:, None, None, None], other, image)
        return then(then_key, {**batch, "image": image})

    return views


def swapped_backgrounds(
    *,
    first: View,
    second: View | None = None,
    probability: float = 0.2,
    negative: float = 0.2,
) -> Builder:
    """Query, key on another background, and a negative on the query's background.

    What the query and the negative share is only the background, what query and key
    share is only the foreground. Foregrounds are found as in `background`.

    Args:
      first: makes the view that is the query, as `view` gives it.
      second: makes the key and the negative; None is the first.
      probability: of exchanging the background of the key.
      negative: probability that the negative of an image counts.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, query, key and negative, arrays
      `[b h w c]`, and `batch["has_negative"]`, bool `[b]`: where the third counts. The
      negative of an image shows the foreground of the one before it in the batch.

    Raises:
      ValueError: for a probability outside [0, 1].

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> make = swapped_backgrounds(first=view(size=16))
      >>> batch = make(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> len(batch["views"]), batch["has_negative"].shape
      (3, (2,))

    References:
      Ryali et al., Characterizing and Improving the Robustness of Self-Supervised
      Learning through Background Augmentations, 2021, arXiv:2103.12719, section 3.
    """
    check_probability(probability, "probability")
    check_probability(negative, "negative")
    second = first if second is None else second

    def views(key, batch):
        image, mask, usable = _foreground(batch)
        number, box = image.shape[0], batch.get("box")
        swap_key, has_key, *view_keys = jax.random.split(key, 5)
        behind = augment.tile_background(image, mask)
        swapped = augment.compose(image, mask, jnp.roll(behind, 1, axis=0))
        swap = usable & jax.random.bernoulli(swap_key, probability, (number,))
        positive = jnp.where(swap[:, None, None, None], swapped, image)
        other, other_mask = (jnp.roll(x, 1, axis=0) for x in (image, mask))
        opposite = augment.compose(other, other_mask, behind)
        has = usable & jnp.roll(usable, 1)
        has &= jax.random.bernoulli(has_key, negative, (number,))
        makers = (first, second, second)
        made = tuple(
            make(k, x, box)
            for make, k, x in zip(
                makers, view_keys, (image, positive, opposite), strict=True
            )
        )
        return {**batch, "views": made, "has_negative": has}

    return views
