"""A crop of a fixed size out of an image whose size is made one first."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import augment
from sslax.augment import to_float
from sslax.augment.parts import METHODS
from sslax.checks import check_choice, check_probability
from sslax.kinds import View


def fixed_crop(
    *,
    size: int,
    resize_to: int,
    flip: float = 0.5,
    stretch: bool = False,
    resize: str = "bilinear",
) -> View:
    """A square of one size at a random place of a resized image, as before ResNets.

    Args:
      size: side of the view in pixels.
      resize_to: the short side of the image before the cut, such as 256.
      flip: probability of a left-to-right flip.
      stretch: makes both sides `resize_to`, whatever the image's shape.
      resize: `bicubic`, `bilinear`, `lanczos` or `box`, antialiased.

    Returns:
      `(key, image [b h w c], box [b 4] or None) -> view [b size size c]`.

    Raises:
      ValueError: if the image would be smaller than the view, for a probability outside
        [0, 1] or an unknown name.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> make = fixed_crop(size=225, resize_to=256, flip=0.0)
      >>> jax.jit(make)(jax.random.key(0), jnp.ones((2, 300, 400, 3))).shape
      (2, 225, 225, 3)

    References:
      Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving
      Jigsaw Puzzles, 2016, arXiv:1603.09246, section 3.3.
    """
    if not 0 < size <= resize_to:
        raise ValueError(
            f"size must be positive and at most resize_to = {resize_to}; got {size}"
        )
    check_probability(flip=flip)
    check_choice(METHODS, resize=resize)

    def op(key, image, box=None):
        place_key, flip_key = jax.random.split(key)
        image = to_float(image)
        box = augment.whole_box(image) if box is None else box.astype(jnp.float32)
        number, sides = len(image), box[:, 2:]
        whole = sides if stretch else jnp.min(sides, axis=1, keepdims=True)
        part = jnp.broadcast_to(whole * (size / resize_to), (number, 2))
        corner = jax.random.uniform(place_key, (number, 2)) * (sides - part)
        cut = jnp.concatenate([box[:, :2] + corner, part], axis=1)
        turned = jax.random.bernoulli(flip_key, flip, (number,))
        made = augment.crop_resize(image, cut, size=size, method=resize, flip=turned)
        return jnp.clip(made, 0.0, 1.0)

    return op
