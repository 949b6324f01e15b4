"""Jigsaw puzzles: the tiles of an image."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from sslax.arrays import at_least_float32
from sslax.augment._layout import check_image


def cut(
    image: Float[Array, "b h w c"], top: Array, left: Array, *, size: tuple[int, int]
) -> Float[Array, "b n p q c"]:
    """Cuts windows of one size out of each image, at whole positions.

    Args:
      image: images, any number of channels.
      top: int `[b n]`, first row of each window.
      left: int `[b n]`, first column of each window.
      size: (height, width) of the windows.

    Returns:
      Windows `[b n height width c]`; positions are clamped to the image.

    Raises:
      ValueError: if the windows do not fit or positions are not `[b n]`.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.arange(16.0).reshape(1, 4, 4, 1)
      >>> cut(image, jnp.array([[1]]), jnp.array([[2]]), size=(1, 2)).ravel().tolist()
      [6.0, 7.0]
    """
    check_image(image)
    batch, height, width, channels = image.shape
    if size[0] > height or size[1] > width:
        raise ValueError(f"windows of {size} do not fit images of {height} x {width}")
    if top.ndim != 2 or top.shape != left.shape or top.shape[0] != batch:
        raise ValueError(
            f"expected positions [{batch} n], got {tuple(top.shape)} "
            f"and {tuple(left.shape)}"
        )

    def one(picture, y, x):
        return jax.lax.dynamic_slice(picture, (y, x, 0), (*size, channels))

    return jax.vmap(jax.vmap(one, in_axes=(None, 0, 0)))(image, top, left)


def tiles(
    image: Float[Array, "b h w c"],
    offset: Int[Array, "b n 2"],
    *,
    grid: int = 3,
    size: int = 64,
) -> Float[Array, "b n p p c"]:
    """Cuts a tile out of every cell of a grid, at an offset inside the cell.

    Args:
      image: images.
      offset: int `[b grid*grid 2]`, row and column offset of each tile in its cell,
        between 0 and the cell's side minus `size`.
      grid: cells along a side.
      size: side of a tile.

    Returns:
      Tiles in raster order.

    Raises:
      ValueError: if a tile does not fit its cell.

    Example:
      >>> import jax.numpy as jnp
      >>> tiles(jnp.ones((1, 9, 9, 3)), jnp.zeros((1, 9, 2), int), size=2).shape
      (1, 9, 2, 2, 3)

    References:
      Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving
      Jigsaw Puzzles, 2016, arXiv:1603.09246, section 3.3.
    """
    height, width = image.shape[1] // grid, image.shape[2] // grid
    if size > min(height, width):
        raise ValueError(f"tiles of {size} do not fit cells of {height} x {width}")
    cell = jnp.arange(grid * grid)
    top = (cell // grid * height)[None] + offset[:, :, 0]
    left = (cell % grid * width)[None] + offset[:, :, 1]
    return cut(image, top, left, size=(size, size))


def random_tiles(
    key: PRNGKeyArray,
    image: Float[Array, "b h w c"],
    *,
    grid: int = 3,
    size: int = 64,
    jitter: int = 0,
) -> Float[Array, "b n p p c"]:
    """Cuts a tile out of every cell of a grid, at a random place in the cell.

    Args:
      key: a random key.
      image: images.
      grid: cells along a side.
      size: side of a tile; the cell's room beyond it is the random gap.
      jitter: by how many pixels the channels of a tile are moved against each other, at
        most, so that the fringes of a lens do not tell where it lies.

    Returns:
      Tiles in raster order, which no two cells share a pixel of.

    Raises:
      ValueError: if a tile and its jitter do not fit the cell.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> random_tiles(jax.random.key(0), jnp.ones((1, 255, 255, 3))).shape
      (1, 9, 64, 64, 3)

    References:
      Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving
      Jigsaw Puzzles, 2016, arXiv:1603.09246, sections 3.3 and 4.2.
    """
    batch, height, width, channels = image.shape
    cells = grid * grid
    room = [side // grid - size - jitter for side in (height, width)]
    if min(room) < 0:
        raise ValueError(
            f"tiles of {size} and a jitter of {jitter} do not fit cells of "
            f"{height // grid} x {width // grid}"
        )
    offset = jax.random.randint(
        key, (batch, cells, 2), 0, jnp.array(room)[None, None] + 1
    )
    if not jitter or channels == 1:
        return tiles(image, offset, grid=grid, size=size)
    own = jax.random.randint(
        jax.random.fold_in(key, 1), (batch, channels, cells, 2), 0, jitter + 1
    )
    # Every channel as an image of its own.
    apart = jnp.moveaxis(image, -1, 1).reshape(-1, height, width, 1)
    offset = (offset[:, None] + own).reshape(-1, cells, 2)
    made = tiles(apart, offset, grid=grid, size=size)
    made = made.reshape(batch, channels, cells, size, size)
    return jnp.moveaxis(made, 1, -1)


def standardize_patches(
    patches: Float[Array, "... p q c"], *, ddof: int = 1
) -> Float[Array, "... p q c"]:
    """Gives every patch and channel mean 0 and deviation 1.

    Args:
      patches: patches, any leading axes.
      ddof: 1 for the unbiased deviation, 0 for the biased one.

    Returns:
      Patches; a constant channel becomes 0.

    Example:
      >>> import jax.numpy as jnp
      >>> standardize_patches(jnp.array([[[1.0], [3.0]]]), ddof=0).ravel().tolist()
      [-1.0, 1.0]

    References:
      Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving
      Jigsaw Puzzles, 2016, arXiv:1603.09246, section 4.2.
    """
    x = at_least_float32(patches)
    centred = x - jnp.mean(x, axis=(-3, -2), keepdims=True)
    count = x.shape[-3] * x.shape[-2] - ddof
    variance = jnp.sum(centred**2, axis=(-3, -2), keepdims=True) / max(count, 1)
    spread = variance > 0
    deviation = jnp.where(spread, jnp.sqrt(jnp.where(spread, variance, 1.0)), 1.0)
    return (centred / deviation).astype(patches.dtype)


def shuffle(
    patches: Float[Array, "b n p q c"], permutation: Int[Array, "b n"]
) -> Float[Array, "b n p q c"]:
    """Puts patches in the order of a permutation: place t gets patch permutation[t].

    Args:
      patches: patches of each image.
      permutation: int `[b n]`.

    Returns:
      Patches in the new order.

    Example:
      >>> import jax.numpy as jnp
      >>> patches = jnp.arange(3.0).reshape(1, 3, 1, 1, 1)
      >>> shuffle(patches, jnp.array([[2, 0, 1]])).ravel().tolist()
      [2.0, 0.0, 1.0]

    References:
      Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving
      Jigsaw Puzzles, 2016, arXiv:1603.09246, section 3.3.
    """
    return jnp.take_along_axis(
        patches, permutation[:, :, None, None, None].astype(jnp.int32), axis=1
    )
