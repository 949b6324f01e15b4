"""Other backgrounds behind the foreground, before the views are made."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax import augment
from sslax.augment import to_float
from sslax.checks import (
    check_choice,
    check_count,
    check_probability,
)
from sslax.kinds import Builder, View
from sslax.views._canvas import placed, spread

FOREGROUNDS = ("data", "saliency")


class _Scene(NamedTuple):
    """Float images with the masks of their foreground, spread over the canvas too."""

    image: Array
    mask: Array  # [b h w 1]
    behind: Array  # backgrounds without foreground, spread over the whole canvas
    usable: Array  # [b], where the foreground is neither too small nor too large
    box: Array | None


def _scene(batch, foreground: str) -> _Scene:
    image, box = to_float(batch["image"]), batch.get("box")
    whole = spread(image, box)
    if foreground == "saliency":
        solid = augment.saliency_mask(augment.spectral_saliency(whole))
        mask = placed(solid, box)
    elif "foreground" in batch:
        mask = batch["foreground"].astype(image.dtype)[..., None]
        solid = spread(mask, box)
    else:
        raise ValueError(
            f"the data have no 'foreground', only {sorted(batch)}; foreground="
            "'saliency' looks for what stands out"
        )
    share = jnp.mean(solid, axis=(1, 2, 3))
    return _Scene(
        image=image,
        mask=mask.astype(image.dtype),
        behind=augment.tile_background(whole, solid.astype(image.dtype)),
        usable=(share > 0.05) & (share < 0.95),
        box=box,
    )


def background(
    *,
    then: Builder,
    replace: str = "remove",
    probability: float = 0.2,
    foreground: str = "data",
    count: int = 2,
) -> Builder:
    """Takes backgrounds away or exchanges them, in each of the first views by itself.

    Images whose foreground is less than 5 % or more than 95 % stay as they are. No two
    views of an image get the same new background: what is behind would tell them.

    Args:
      then: `(key, batch) -> batch`, the builder of the views.
      replace: `remove` puts a grey of random level behind the foreground, `random` the
        tiled background of another image of the batch.
      probability: of doing so to an image, in each view.
      foreground: where it comes from: `data` is `batch["foreground"]` `[b h w]`, an
        exact mask; `saliency` the spectral residual of the image inside its box, cut at
        three times its mean.
      count: how many views may be altered, of several crops the large ones.

    Returns:
      `(key, batch) -> batch`, what `then` gives, its first views of images with other
      backgrounds.

    Raises:
      ValueError: for an unknown name, a probability outside [0, 1] or a count below 1;
        when called, if the foreground should come from data that have none, or if the
        batch has not enough images for other backgrounds.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import two_views, view
      >>> crops = two_views(first=view(size=16))
      >>> make = background(then=crops, foreground="saliency")
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> batch["views"][0].shape
      (2, 16, 16, 3)

    References:
      Ryali et al., Characterizing and Improving the Robustness of Self-Supervised
      Learning through Background Augmentations, 2021, arXiv:2103.12719, section 3.
    """
    check_choice(("remove", "random"), replace=replace)
    check_probability(probability=probability)
    check_choice(FOREGROUNDS, foreground=foreground)
    if count < 1:
        raise ValueError(f"count must be 1 or more, got {count}")

    def altered(key, scene, number):
        level_key, apply_key = jax.random.split(key)
        image, mask, behind, usable, box = scene
        total = image.shape[0]
        if replace == "remove":
            level = jax.random.uniform(level_key, (total,))
            other = augment.remove_background(image, mask, level=level)
        else:
            check_count(number + 2, image=image)
            other = augment.compose(image, mask, _of_another(behind, box, number + 1))
        apply = usable & jax.random.bernoulli(apply_key, probability, (total,))
        return jnp.where(apply[:, None, None, None], other, image)

    def views(key, batch):
        then_key, *keys = jax.random.split(key, 1 + count)
        scene = _scene(batch, foreground)
        made = then(then_key, {**batch, "image": scene.image})
        views = list(made["views"])
        # Compiled, of every run of `then` only the views that are taken are made.
        for i, own in enumerate(keys[: len(views)]):
            image = altered(own, scene, i)
            views[i] = then(then_key, {**batch, "image": image})["views"][i]
        return {**made, "views": tuple(views)}

    return views


def _of_another(behind: Array, box: Array | None, away: int) -> Array:
    """The background of the image so many places before each one in the batch."""
    return placed(jnp.roll(behind, away, axis=0), box)


def swapped_backgrounds(
    *,
    first: View,
    second: View | None = None,
    probability: float = 0.2,
    negative: float = 0.2,
    foreground: str = "data",
) -> Builder:
    """Query, key on another background, and a negative on the query's background.

    What the query and the negative share is only the background, what query and key
    share is only the foreground. A background is stretched to where it is put.

    Args:
      first: makes the view that is the query, as `view` gives it.
      second: makes the key and the negative; None is the first.
      probability: of exchanging the background of the key.
      negative: probability that the negative of an image counts.
      foreground: where it comes from, `data` or `saliency`, as in `background`.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, query, key and negative, arrays
      `[b h w c]`, and `batch["has_negative"]`, bool `[b]`: where the third counts. The
      negative of an image shows the foreground of the one before it in the batch.

    Raises:
      ValueError: for an unknown name or a probability outside [0, 1]; when called, if
        the foreground should come from data that have none.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> make = swapped_backgrounds(first=view(size=16), foreground="saliency")
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> len(batch["views"]), batch["has_negative"].shape
      (3, (2,))

    References:
      Ryali et al., Characterizing and Improving the Robustness of Self-Supervised
      Learning through Background Augmentations, 2021, arXiv:2103.12719, section 3.
    """
    check_probability(probability=probability, negative=negative)
    check_choice(FOREGROUNDS, foreground=foreground)
    second = first if second is None else second

    def views(key, batch):
        image, mask, behind, usable, box = _scene(batch, foreground)
        number = image.shape[0]
        swap_key, has_key, *view_keys = jax.random.split(key, 5)
        swapped = augment.compose(image, mask, _of_another(behind, box, 1))
        swap = usable & jax.random.bernoulli(swap_key, probability, (number,))
        positive = jnp.where(swap[:, None, None, None], swapped, image)
        other, other_mask = (jnp.roll(x, 1, axis=0) for x in (image, mask))
        other_box = None if box is None else jnp.roll(box, 1, axis=0)
        opposite = augment.compose(other, other_mask, placed(behind, other_box))
        has = usable & jnp.roll(usable, 1)
        has &= jax.random.bernoulli(has_key, negative, (number,))
        made = (
            first(view_keys[0], image, box),
            second(view_keys[1], positive, box),
            second(view_keys[2], opposite, other_box),
        )
        return {**batch, "views": made, "has_negative": has}

    return views


def other_backgrounds(*, kind: str, foreground: str = "data") -> Builder:
    """Images as the Backgrounds Challenge shows them, to be judged.

    Where the batch has no image of the class, or of another, and where the foreground
    is less than 5 % or more than 95 % of an image, it stays as it is.

    Args:
      kind: `mixed_same` puts the background of the next image of the same class behind
        the foreground, `mixed_rand` that of the next image of another class;
        `only_background` shows its own background without the foreground.
      foreground: where it comes from, `data` or `saliency`, as in `background`.

    Returns:
      `(key, batch) -> batch` with another `image`, float in [0, 1]; the key is not
      used. The mixed ones need `batch["label"]` `[b]`.

    Raises:
      ValueError: for an unknown name; when called, for a batch without what is needed.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> image = jnp.ones((4, 8, 8, 1)) * jnp.linspace(0.1, 0.4, 4).reshape(4, 1, 1, 1)
      >>> mask, label = jnp.zeros((4, 8, 8)).at[:, 4:].set(1), jnp.array([0, 1, 0, 1])
      >>> batch = {"image": image, "foreground": mask, "label": label}
      >>> made = jax.jit(other_backgrounds(kind="mixed_rand"))(jax.random.key(0), batch)
      >>> [round(x, 1) for x in made["image"][:, 0, 0, 0].tolist()]  # that of the next
      [0.2, 0.3, 0.4, 0.1]

    References:
      Xiao et al., Noise or Signal: The Role of Image Backgrounds in Object Recognition,
      2020, arXiv:2006.09994, section 2.
    """
    check_choice(("mixed_same", "mixed_rand", "only_background"), kind=kind)
    check_choice(FOREGROUNDS, foreground=foreground)

    def views(key, batch):
        del key
        image, mask, behind, usable, box = _scene(batch, foreground)
        if kind == "only_background":
            other = placed(behind, box)
        elif "label" not in batch:
            raise ValueError(f"{kind} needs labels; the data have {sorted(batch)}")
        else:
            donor, there = _next(batch["label"], same=kind == "mixed_same")
            other = augment.compose(image, mask, placed(behind[donor], box))
            usable &= there & usable[donor]
        image = jnp.where(usable[:, None, None, None], other, image)
        return {**batch, "image": image}

    return views


def _next(label: Array, *, same: bool) -> tuple[Array, Array]:
    """The next example in the batch, around its end, of the same or another class."""
    count = label.shape[0]
    at = jnp.arange(count)
    fits = (label[:, None] == label[None, :]) == same
    away = (at[None, :] - at[:, None]) % count
    away = jnp.where(fits & (away > 0), away, count)
    return jnp.argmin(away, axis=1), jnp.min(away, axis=1) < count
