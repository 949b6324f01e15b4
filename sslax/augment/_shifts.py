"""Crops without resizing: random windows, padded shifts, overlapping grids."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from sslax.augment._jigsaw import cut
from sslax.augment._layout import check_image
from sslax.augment._resample import pair
from sslax.checks import check_choice

PAD_MODES = {"zero": "constant", "reflect": "reflect", "edge": "edge"}


def random_crop(
    key: PRNGKeyArray, image: Float[Array, "b h w c"], *, size, last: bool = True
) -> Float[Array, "b p q c"]:
    """Cuts a window of fixed size out of each image, at a random place.

    All channels share the window: stacked frames are cut alike.

    Args:
      key: a random key.
      image: images, or frames stacked along the channels.
      size: of the window: one integer or (height, width).
      last: whether the last possible place can be drawn; CURL's code leaves it out.

    Returns:
      Images `[b size size c]`.

    Raises:
      ValueError: if the window does not fit.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> random_crop(jax.random.key(0), jnp.ones((2, 100, 100, 9)), size=84).shape
      (2, 84, 84, 9)

    References:
      Laskin et al., CURL: Contrastive Unsupervised Representations for Reinforcement
      Learning, 2020, arXiv:2004.04136, section 4.
    """
    check_image(image)
    height, width = pair(size)
    room = jnp.array([image.shape[1] - height, image.shape[2] - width])
    places = jnp.maximum(room + int(last), 1)[None]
    place = jax.random.randint(key, (image.shape[0], 2), 0, places)
    return cut(image, place[:, :1], place[:, 1:], size=(height, width))[:, 0]


def random_shift(
    key: PRNGKeyArray,
    image: Float[Array, "b h w c"],
    *,
    padding: int,
    mode: str = "zero",
) -> Float[Array, "b h w c"]:
    """Pads each image and cuts a random window of the old size out.

    Args:
      key: a random key.
      image: images.
      padding: pixels on each side.
      mode: `zero`, `reflect` or `edge`.

    Returns:
      Images of the same shape.

    Raises:
      ValueError: for wrong images or mode.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> random_shift(jax.random.key(0), jnp.ones((2, 32, 32, 3)), padding=4).shape
      (2, 32, 32, 3)

    References:
      He et al., Deep Residual Learning for Image Recognition, 2015, arXiv:1512.03385,
      section 4.2.
    """
    check_image(image)
    check_choice(PAD_MODES, mode=mode)
    around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = jnp.pad(image, around, mode=PAD_MODES[mode])
    return random_crop(key, padded, size=image.shape[1:3])


def patch_grid(
    image: Float[Array, "b h w c"], *, size: int, stride: int
) -> Float[Array, "b m n p q c"]:
    """Cuts images into a grid of overlapping patches.

    Args:
      image: images.
      size: side of a patch.
      stride: distance of neighbours.

    Returns:
      Patches `[b rows columns size size c]`: 7 x 7 for 256 pixels, 64 and 32.

    Raises:
      ValueError: if a patch does not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> patch_grid(jnp.ones((1, 256, 256, 1)), size=64, stride=32).shape
      (1, 7, 7, 64, 64, 1)

    References:
      van den Oord et al., Representation Learning with Contrastive Predictive Coding,
      2018, arXiv:1807.03748, section 3.2. Hénaff et al., Data-Efficient Image
      Recognition with Contrastive Predictive Coding, 2019, arXiv:1905.09272, section 2.
    """
    check_image(image)
    batch, height, width, channels = image.shape
    if size > min(height, width):
        raise ValueError(f"patches of {size} do not fit images of {height} x {width}")
    rows, columns = (height - size) // stride + 1, (width - size) // stride + 1
    y = (jnp.arange(rows) * stride)[:, None] + jnp.arange(size)[None]
    x = (jnp.arange(columns) * stride)[:, None] + jnp.arange(size)[None]
    patches = image[:, y.ravel()][:, :, x.ravel()]
    patches = patches.reshape(batch, rows, size, columns, size, channels)
    return patches.transpose(0, 1, 3, 2, 4, 5)


def random_window(
    key: PRNGKeyArray, patches: Float[Array, "b p q c"], *, size: int
) -> Float[Array, "b p q c"]:
    """Keeps a random window of each patch and blanks the rest.

    So that the borders of neighbours cannot be matched.

    Args:
      key: a random key.
      patches: patches.
      size: side of the window.

    Returns:
      Patches of the same shape, 0 outside the window.

    Raises:
      ValueError: if the window does not fit.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> kept = random_window(jax.random.key(0), jnp.ones((1, 64, 64, 1)), size=60)
      >>> kept.sum().item()
      3600.0

    References:
      van den Oord et al., Representation Learning with Contrastive Predictive Coding,
      2018, arXiv:1807.03748, section 3.2.
    """
    check_image(patches)
    batch, height, width, _ = patches.shape
    if size > min(height, width):
        raise ValueError(f"a window of {size} does not fit {height} x {width}")
    room = jnp.array([height - size + 1, width - size + 1])[None]
    place = jax.random.randint(key, (batch, 2), 0, room)[:, :, None]
    y, x = jnp.arange(height)[None], jnp.arange(width)[None]
    rows = (y >= place[:, 0]) & (y < place[:, 0] + size)
    columns = (x >= place[:, 1]) & (x < place[:, 1] + size)
    return jnp.where((rows[:, :, None] & columns[:, None, :])[..., None], patches, 0.0)
