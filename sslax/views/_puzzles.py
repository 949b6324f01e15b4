"""Views of jigsaw puzzles: shuffled tiles, and tiles in their places."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import augment
from sslax.checks import check_probability
from sslax.kinds import Builder, View


def jigsaw(
    *,
    view: View,
    grid: int = 3,
    tile: int = 64,
    jitter: int = 2,
    permutations: int | str = 100,
    criterion: str = "max_mean",
    grey: float = 0.3,
    normalize: bool = True,
) -> Builder:
    """Shuffled tiles of one view of every image; the answer is the permutation.

    Args:
      view: makes the view that is cut up, as `fixed_crop` gives it: 225 or 255 pixels
        in the paper and its code, without jitter of its own.
      grid: cells along a side.
      tile: side of a tile, cut at a random place in its cell.
      jitter: by how many pixels the colours of a tile are moved against each other.
      permutations: how many there are, or a file of them, see `augment.puzzles`.
      criterion: how they are chosen, `max_mean` or `max_min`.
      grey: probability that all tiles of an image are grey.
      normalize: whether every tile and channel gets mean 0 and deviation 1.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array `[b n p p c]`, and
      `batch["order"]`, int32 `[b n]`: which tile lies in each place.

    Raises:
      ValueError: for permutations that there are not, or a probability outside [0, 1];
        when called, if a tile does not fit its cell.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> make = jigsaw(view=view(size=30), tile=8)
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 40, 40, 3))})
      >>> batch["views"][0].shape, batch["order"].shape
      ((2, 9, 8, 8, 3), (2, 9))

    References:
      Noroozi and Favaro, Unsupervised Learning of Visual Representations by Solving
      Jigsaw Puzzles, 2016, arXiv:1603.09246, sections 3 and 4.
    """
    check_probability(grey=grey)
    table = augment.puzzles(permutations, tiles=grid * grid, criterion=criterion)

    def views(key, batch):
        view_key, tile_key, pick_key, grey_key = jax.random.split(key, 4)
        image = view(view_key, batch["image"], batch.get("box"))
        number = image.shape[0]
        pieces = augment.random_tiles(
            tile_key, image, grid=grid, size=tile, jitter=jitter
        )
        # After the jitter, which would make fringes of their own on grey tiles.
        drab = jax.random.bernoulli(grey_key, grey, (number, 1, 1, 1, 1))
        pieces = jnp.where(drab, pieces.mean(axis=-1, keepdims=True), pieces)
        puzzle = jax.random.randint(pick_key, (number,), 0, len(table))
        order = jnp.asarray(table)[puzzle]
        pieces = augment.shuffle(pieces, order)
        if normalize:
            pieces = augment.standardize_patches(pieces)
        return {**batch, "views": (pieces,), "order": order}

    return views


def tiled(
    *, view: View, grid: int = 3, tile: int = 64, normalize: bool = True
) -> Builder:
    """The tiles of a view in their places, each from the middle of its cell.

    What a network of tiles is evaluated on.

    Args:
      view: makes the view that is cut up, as `center` gives it.
      grid: cells along a side.
      tile: side of a tile.
      normalize: whether every tile and channel gets mean 0 and deviation 1.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array `[b n p p c]`, in raster
      order.

    Raises:
      ValueError: when called, if a tile does not fit its cell.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import center
      >>> make = tiled(view=center(size=30), tile=8)
      >>> batch = jax.jit(make)(jax.random.key(0), {"image": jnp.ones((2, 40, 40, 3))})
      >>> batch["views"][0].shape
      (2, 9, 8, 8, 3)

    References:
      Kolesnikov et al., Revisiting Self-Supervised Visual Representation Learning,
      2019, arXiv:1901.09005, section 3.2.
    """

    def views(key, batch):
        image = view(key, batch["image"], batch.get("box"))
        room = [side // grid - tile for side in image.shape[1:3]]
        middle = jnp.array([n // 2 for n in room])
        offset = jnp.broadcast_to(middle, (len(image), grid * grid, 2))
        pieces = augment.tiles(image, offset, grid=grid, size=tile)
        if normalize:
            pieces = augment.standardize_patches(pieces)
        return {**batch, "views": (pieces,)}

    return views
