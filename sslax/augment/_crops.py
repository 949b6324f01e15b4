"""Where to cut: the random boxes of the field's three crop rules."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from sslax.augment._kernels import METHODS
from sslax.augment._layout import Range, check_image, from_columns
from sslax.augment._resample import check_boxes, crop_columns, pair, whole_box
from sslax.checks import check_choice

RULES = ("torchvision", "tf", "byol")
TORCHVISION_TRIES = 10
TF_TRIES = 100
TF_COVERED = 0.1


def check_crop(scale, ratio, rule: str) -> None:
    """Raises if the area range, the aspect range or the rule make no sense."""
    check_choice(RULES, **{"crop rule": rule})
    if not (len(scale) == 2 and 0 < scale[0] <= scale[1] <= 1):
        raise ValueError(
            f"scale must be two area fractions 0 < low <= high <= 1, got {scale!r}"
        )
    if not (len(ratio) == 2 and 0 < ratio[0] <= ratio[1]):
        raise ValueError(f"ratio must be two aspects 0 < low <= high, got {ratio!r}")


def _whole(uniform: Array, room: Array) -> Array:
    """A whole number uniform in [0, room], both ends included."""
    return jnp.minimum(jnp.floor(uniform * (room + 1.0)), room)


def _proposals(key, height, width, tries, scale, ratio):
    """Float heights and widths `[b tries]`: uniform area, log-uniform aspect."""
    area_key, aspect_key = jax.random.split(key)
    shape = (height.shape[0], tries)
    area = jax.random.uniform(area_key, shape, minval=scale[0], maxval=scale[1])
    area = area * (height * width)[:, None]
    low, high = (math.log(r) for r in ratio)
    aspect = jnp.exp(jax.random.uniform(aspect_key, shape, minval=low, maxval=high))
    return jnp.sqrt(area / aspect), jnp.sqrt(area * aspect)


def _first(accepted: Array, values: Array, otherwise: Array) -> Array:
    """The first accepted value `[b]`; where none is, the other."""
    index = jnp.argmax(accepted, axis=1)[:, None]
    chosen = jnp.take_along_axis(values, index, axis=1)[:, 0]
    return jnp.where(accepted.any(axis=1), chosen, otherwise)


def _torchvision(key, height, width, scale, ratio):
    h, w = _proposals(key, height, width, TORCHVISION_TRIES, scale, ratio)
    h, w = jnp.round(h), jnp.round(w)
    accepted = (h > 0) & (w > 0) & (h <= height[:, None]) & (w <= width[:, None])
    aspect = width / height
    fallback_h = jnp.where(aspect < ratio[0], jnp.round(width / ratio[0]), height)
    fallback_w = jnp.where(aspect > ratio[1], jnp.round(height * ratio[1]), width)
    h, w = _first(accepted, h, fallback_h), _first(accepted, w, fallback_w)
    return h, w, ~accepted.any(axis=1)


def _tf(key, height, width, scale, ratio):
    """TensorFlow's distorted box: the aspect is uniform, then the *height* is."""
    aspect_key, height_key = jax.random.split(key)
    shape = (height.shape[0], TF_TRIES)
    full_h, full_w = height[:, None], width[:, None]
    smallest, largest = scale[0] * full_h * full_w, scale[1] * full_h * full_w
    aspect = jax.random.uniform(aspect_key, shape, minval=ratio[0], maxval=ratio[1])
    high = jnp.round(jnp.sqrt(largest / aspect))
    widest = jnp.floor((full_w + 0.5 - 1e-7) / aspect)
    widest = widest - (jnp.round(widest * aspect) > full_w)
    high = jnp.where(jnp.round(high * aspect) > full_w, widest, high)
    high = jnp.minimum(high, full_h)
    low = jnp.minimum(jnp.round(jnp.sqrt(smallest / aspect)), high)
    h = low + _whole(jax.random.uniform(height_key, shape), high - low)
    # A side more or less where rounding left the range of areas.
    h = h + (h * jnp.round(h * aspect) < smallest)
    h = h - (h * jnp.round(h * aspect) > largest)
    w = jnp.round(h * aspect)
    accepted = (h > 0) & (w > 0) & (h <= full_h) & (w <= full_w)
    accepted &= h * w >= jnp.maximum(smallest, TF_COVERED * full_h * full_w)
    accepted &= h * w <= largest
    none = jnp.zeros(height.shape, bool)
    return _first(accepted, h, height), _first(accepted, w, width), none


def _byol(key, height, width, scale, ratio):
    h, w = _proposals(key, height, width, 1, scale, ratio)
    h = jnp.clip(jnp.round(h[:, 0]), 1.0, height)
    w = jnp.clip(jnp.round(w[:, 0]), 1.0, width)
    return h, w, jnp.zeros(height.shape, bool)


_RULES = {"torchvision": _torchvision, "tf": _tf, "byol": _byol}


def random_box(
    key: PRNGKeyArray,
    box: Array,
    *,
    scale: Range = (0.08, 1.0),
    ratio: Range = (3 / 4, 4 / 3),
    rule: str = "torchvision",
) -> Float[Array, "b 4"]:
    """Draws the box of a random resized crop inside a given box, for each image.

    The rules differ in how they treat a proposal that does not fit:

    - `torchvision`: ten tries with log-uniform aspect, sides rounded; if none fits, the
      largest central crop of a permitted aspect.
    - `tf`: a hundred tries with uniform aspect and, given it, uniform height, at least
      0.1 of the image; if none fits, the whole image (SimCLR).
    - `byol`: one try with log-uniform aspect, sides cut down to the image.

    Args:
      key: a random key.
      box: `[b 4]`: top, left, height and width of the valid pixels of each image.
      scale: area of the crop as a fraction of the valid area, low and high.
      ratio: width over height, low and high.
      rule: `torchvision`, `tf` or `byol`.

    Returns:
      Boxes `[b 4]` (top, left, height, width) in whole pixels, inside `box`.

    Raises:
      ValueError: for ranges that are empty or an unknown rule.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> box, full = jnp.array([[0.0, 0.0, 32.0, 32.0]]), (1.0, 1.0)
      >>> random_box(jax.random.key(0), box, scale=full, ratio=full).tolist()
      [[0.0, 0.0, 32.0, 32.0]]

    Note:
      `tf` follows TensorFlow's `sample_distorted_bounding_box` as SimCLR calls it: its
      area is not uniform, its least covered part is 0.1, and the last position to the
      right and to the bottom is never drawn.

    References:
      Szegedy et al., Going Deeper with Convolutions, 2014, arXiv:1409.4842, section 6.
      Grill et al., Bootstrap Your Own Latent, 2020, arXiv:2006.07733, appendix B.
    """
    check_crop(scale, ratio, rule)
    box = jnp.asarray(box, jnp.float32)
    check_boxes(box, box.shape[0])
    size_key, place_key = jax.random.split(key)
    top, left, height, width = box.T
    h, w, central = _RULES[rule](size_key, height, width, scale, ratio)
    place = jax.random.uniform(place_key, (2, box.shape[0]))
    y, x = height - h, width - w
    if rule == "tf":  # its draw leaves the last position out
        y, x = jnp.maximum(y - 1.0, 0.0), jnp.maximum(x - 1.0, 0.0)
    y = jnp.where(central, jnp.floor((height - h) / 2), _whole(place[0], y))
    x = jnp.where(central, jnp.floor((width - w) / 2), _whole(place[1], x))
    return jnp.stack([top + y, left + x, h, w], axis=1)


def random_resized_crop(
    key: PRNGKeyArray,
    image: Float[Array, "b h w c"],
    box: Array | None = None,
    *,
    size,
    scale: Range = (0.08, 1.0),
    ratio: Range = (3 / 4, 4 / 3),
    rule: str = "torchvision",
    method: str = "bicubic",
    flip: float = 0.0,
) -> Float[Array, "b p q c"]:
    """Cuts a random box out of each image and resizes it, clipped to [0, 1].

    Args:
      key: a random key.
      image: images in [0, 1].
      box: `[b 4]` valid pixels of each image (top, left, height, width); None is all.
      size: result size: one integer or (height, width).
      scale: area of the crop as a fraction of the valid area.
      ratio: width over height.
      rule: `torchvision`, `tf` or `byol`, see `random_box`.
      method: `bicubic`, `bilinear`, `lanczos` or `box`.
      flip: probability of a left-to-right flip, which here costs nothing.

    Returns:
      Images `[b size size c]` in [0, 1].

    Raises:
      ValueError: for wrong images, ranges, rule or method.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> image = jnp.ones((2, 40, 48, 3))
      >>> random_resized_crop(jax.random.key(0), image, size=32).shape
      (2, 32, 32, 3)

    References:
      Szegedy et al., Going Deeper with Convolutions, 2014, arXiv:1409.4842, section 6.
    """
    check_image(image)
    check_choice(METHODS, method=method)
    crop_key, flip_key = jax.random.split(key)
    box = whole_box(image) if box is None else box
    crop = random_box(crop_key, box, scale=scale, ratio=ratio, rule=rule)
    turned = jax.random.bernoulli(flip_key, flip, (image.shape[0],)) if flip else None
    made = crop_columns(image, crop, size=pair(size), method=method, flip=turned)
    return from_columns(jnp.clip(made, 0.0, 1.0), image.dtype)
