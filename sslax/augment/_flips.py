"""Mirrors and quarter turns."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from sslax.augment._layout import check_image
from sslax.checks import check_probability


def horizontal_flip(
    image: Float[Array, "b h w c"], *, flip=True
) -> Float[Array, "b h w c"]:
    """Mirrors images left to right.

    Args:
      image: images, any number of channels.
      flip: which images: one bool or one per image `[b]`.

    Returns:
      Images of the same shape.

    Raises:
      ValueError: for images that are not float `[b h w c]`.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.arange(3.0).reshape(1, 1, 3, 1)
      >>> horizontal_flip(image)[0, 0, :, 0].tolist()
      [2.0, 1.0, 0.0]
    """
    check_image(image)
    flip = jnp.broadcast_to(jnp.asarray(flip), (image.shape[0],))
    return jnp.where(flip[:, None, None, None], image[:, :, ::-1], image)


def random_flip(
    key: PRNGKeyArray, image: Float[Array, "b h w c"], *, probability: float = 0.5
) -> Float[Array, "b h w c"]:
    """Mirrors each image left to right with a probability.

    Args:
      key: a random key.
      image: images, any number of channels.
      probability: of mirroring an image.

    Returns:
      Images of the same shape.

    Raises:
      ValueError: for wrong images or probability.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> image = jnp.arange(3.0).reshape(1, 1, 3, 1)
      >>> random_flip(jax.random.key(0), image, probability=1.0)[0, 0, :, 0].tolist()
      [2.0, 1.0, 0.0]
    """
    check_image(image)
    check_probability(probability=probability)
    flip = jax.random.bernoulli(key, probability, (image.shape[0],))
    return horizontal_flip(image, flip=flip)


def rot90(image: Float[Array, "b h w c"], *, turns: int = 1) -> Float[Array, "b p q c"]:
    """Turns images counter-clockwise by quarter turns, exactly.

    Args:
      image: images, any number of channels.
      turns: number of quarter turns, taken modulo 4; the label of rotation prediction.

    Returns:
      Images; height and width change places for odd turns.

    Raises:
      ValueError: for images that are not float `[b h w c]`.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.arange(4.0).reshape(1, 2, 2, 1)
      >>> rot90(image)[0, :, :, 0].tolist()
      [[1.0, 3.0], [0.0, 2.0]]

    References:
      Gidaris et al., Unsupervised Representation Learning by Predicting Image
      Rotations, 2018, arXiv:1803.07728, section 3.
    """
    check_image(image)
    return jnp.rot90(image, turns, axes=(1, 2))
