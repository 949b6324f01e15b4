"""The classic small-image view: pad, cut at random, flip."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax import augment


def shifted(
    *, size: int, padding: int = 4, flip: float = 0.5, normalize=None
) -> Callable[..., Array]:
    """Pads the image with black and cuts a square of `size` pixels at random.

    Args:
      size: side of the view in pixels.
      padding: pixels added on every side.
      flip: probability of a left-to-right flip.
      normalize: name of a dataset's statistics, or (mean, deviation), or None.

    Returns:
      `(key, image [b h w c], box) -> view [b size size c]`; a box is refused, as the
      images of this recipe have one size.

    Raises:
      ValueError: when called, if the padded image is smaller than `size` or there is a
        box.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> view = shifted(size=32)
      >>> view(jax.random.key(0), jnp.ones((2, 32, 32, 3))).shape
      (2, 32, 32, 3)

    References:
      He et al., Deep Residual Learning for Image Recognition, 2015, arXiv:1512.03385,
      section 4.2.
    """

    def op(key, image, box=None):
        if box is not None:
            raise ValueError("shifted takes images of one size; use view for a canvas")
        place_key, flip_key = jax.random.split(key)
        edge = (padding, padding)
        image = augment.to_float(image)
        padded = jnp.pad(image, ((0, 0), edge, edge, (0, 0)))
        room = jnp.array([padded.shape[1] - size, padded.shape[2] - size])
        if padded.shape[1] < size or padded.shape[2] < size:
            raise ValueError(
                f"padding={padding} makes images of {padded.shape[1:3]} pixels, "
                f"smaller than size={size}"
            )
        start = jax.random.randint(place_key, (image.shape[0], 2), 0, room + 1)
        cut = jax.vmap(
            lambda x, at: jax.lax.dynamic_slice(
                x, (at[0], at[1], 0), (size, size, x.shape[-1])
            )
        )(padded, start)
        cut = augment.random_flip(flip_key, cut, probability=flip)
        return (
            cut if normalize is None else augment.normalize(cut, statistics=normalize)
        )

    return op
