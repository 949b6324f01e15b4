"""Jigsaw puzzles: sets of permutations far from one another, and the tiles."""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Integer, PRNGKeyArray

from sslax.arrays import at_least_float32
from sslax.augment._lab import TABLES
from sslax.augment._layout import check_image
from sslax.checks import check_choice

CRITERIA = ("max_mean", "max_min")


def choose_permutations(
    *, count: int, tiles: int = 9, criterion: str = "max_mean", first: int = 0
) -> Integer[np.ndarray, "count tiles"]:
    """Chooses permutations far from one another, one after the other.

    Each step adds the permutation with the largest mean (or least) Hamming distance to
    those chosen; ties go to the lexicographically first. With `max_mean`, the paper's
    listing, the mean stays high while the least distance falls to 2; with `max_min`,
    what the paper's text asks for, the least distance stays high.

    Args:
      count: how many to choose.
      tiles: what is permuted; all `tiles!` permutations are candidates.
      criterion: `max_mean` or `max_min`.
      first: lexicographic number of the first.

    Returns:
      uint8 permutations of 0..tiles-1.

    Raises:
      ValueError: for more than there are, or an unknown criterion.

    Example:
      >>> choose_permutations(count=2, tiles=3).tolist()
      [[0, 1, 2], [1, 2, 0]]

    References:
      Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving
      Jigsaw Puzzles, 2016, arXiv:1603.09246, algorithm 1.
    """
    check_choice(CRITERIA, criterion=criterion)
    candidates = np.array(list(itertools.permutations(range(tiles))), np.uint8)
    if not 1 <= count <= len(candidates):
        raise ValueError(
            f"count must be in 1..{len(candidates)} for {tiles} tiles, got {count}"
        )
    chosen = [first]
    score = np.full(len(candidates), tiles if criterion == "max_min" else 0, np.int32)
    columns = np.ascontiguousarray(candidates.T)
    for _ in range(count - 1):
        newest = candidates[chosen[-1]]
        distance = sum(
            (c != v).astype(np.int32) for c, v in zip(columns, newest, strict=True)
        )
        if criterion == "max_min":
            np.minimum(score, distance, out=score)
        else:
            score += distance
        score[chosen[-1]] = -(2**30)
        chosen.append(int(np.argmax(score)))
    return candidates[chosen]


@functools.cache
def _stored(criterion: str) -> np.ndarray:
    return np.load(TABLES / f"permutations_{criterion}.npy")


def permutation_set(
    *, count: int = 100, criterion: str = "max_mean"
) -> Integer[np.ndarray, "count 9"]:
    """The stored set of permutations of nine tiles.

    Args:
      count: how many, at most 1000; sets are nested.
      criterion: `max_mean` or `max_min`, see `choose_permutations`.

    Returns:
      uint8 permutations of 0..8; row k is the answer to puzzle k.

    Raises:
      ValueError: for more than 1000, or an unknown criterion.

    Example:
      >>> permutation_set(count=100).shape
      (100, 9)

    References:
      Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving
      Jigsaw Puzzles, 2016, arXiv:1603.09246, section 3.4.
    """
    check_choice(CRITERIA, criterion=criterion)
    stored = _stored(criterion)
    if not 1 <= count <= len(stored):
        raise ValueError(
            f"count must be in 1..{len(stored)}, got {count}; "
            "choose_permutations makes larger sets"
        )
    return stored[:count]


def hamming_distances(permutations: np.ndarray) -> Integer[np.ndarray, " pairs"]:
    """How many places differ, for every pair of permutations.

    Args:
      permutations: `[n tiles]`.

    Returns:
      int64 distances `[n (n - 1) / 2]`.

    Example:
      >>> import numpy as np
      >>> hamming_distances(np.array([[0, 1, 2], [1, 0, 2]])).tolist()
      [2]
    """
    different = permutations[:, None, :] != permutations[None, :, :]
    first, second = np.triu_indices(len(permutations), k=1)
    return different.sum(axis=-1)[first, second]


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
    key: PRNGKeyArray, image: Float[Array, "b h w c"], *, grid: int = 3, size: int = 64
) -> Float[Array, "b n p p c"]:
    """Cuts a tile out of every cell of a grid, at a random place in the cell.

    Args:
      key: a random key.
      image: images.
      grid: cells along a side.
      size: side of a tile; the cell's room beyond it is the random gap.

    Returns:
      Tiles in raster order.

    Raises:
      ValueError: if a tile does not fit its cell.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> random_tiles(jax.random.key(0), jnp.ones((1, 255, 255, 3))).shape
      (1, 9, 64, 64, 3)

    References:
      Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving
      Jigsaw Puzzles, 2016, arXiv:1603.09246, section 3.3.
    """
    shape, cells = image.shape, grid * grid
    room = jnp.array([shape[1] // grid - size, shape[2] // grid - size])
    room = jnp.maximum(room, 0)[None, None] + 1
    offset = jax.random.randint(key, (shape[0], cells, 2), 0, room)
    return tiles(image, offset, grid=grid, size=size)


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
