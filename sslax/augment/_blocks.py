"""Masks made of blocks, and masks of coarse units."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from sslax.augment._layout import Range
from sslax.augment._masks import check_ratio

TRIES = 10  # proposals for a block
BLOCKS = 32  # how many accepted blocks of an image are written down


class BlockMask(NamedTuple):
    """A block-wise mask and how it came about.

    Attributes:
      mask: float32 `[b h w]`, 1 where a patch is hidden.
      blocks: int32 `[b 32 4]`, the first accepted blocks (top, left, height, width);
        zeros after the last.
      count: int32 `[b]`, the number of accepted blocks.
      attempts: int32 `[b]`, the number of proposed blocks.
    """

    mask: Float[Array, "b h w"]
    blocks: Int[Array, "b 32 4"]
    count: Int[Array, " b"]
    attempts: Int[Array, " b"]


def _propose(key, room, grid, least, aspect):
    """Top, left, height and width of one block for each image."""
    height, width = grid
    u = jax.random.uniform(key, (4, *room.shape))
    area = least + u[0] * (room - least)
    low, high = math.log(aspect[0]), math.log(aspect[1])
    shape = jnp.exp(low + u[1] * (high - low))
    h = jnp.round(jnp.sqrt(jnp.maximum(area * shape, 0.0))).astype(jnp.int32)
    w = jnp.round(jnp.sqrt(jnp.maximum(area / shape, 0.0))).astype(jnp.int32)
    top = jnp.floor(u[2] * (height - h + 1)).astype(jnp.int32)
    left = jnp.floor(u[3] * (width - w + 1)).astype(jnp.int32)
    return top, left, h, w, (h < height) & (w < width)


def _covers(top, left, h, w, grid):
    y, x = jnp.arange(grid[0])[None, :], jnp.arange(grid[1])[None, :]
    rows = (y >= top[:, None]) & (y < (top + h)[:, None])
    columns = (x >= left[:, None]) & (x < (left + w)[:, None])
    return rows[:, :, None] & columns[:, None, :]


def block_mask(
    key: PRNGKeyArray,
    target: Float[Array, " b"],
    *,
    grid: tuple[int, int],
    least: int = 16,
    most: int | None = None,
    aspect: Range = (0.3, 1 / 0.3),
    exact: bool = False,
) -> BlockMask:
    """Hides random blocks of patches until a target is reached.

    A block has an area uniform between `least` and what is left of the target, and a
    log-uniform aspect. It is taken if it is smaller than the grid and hides at least
    one and at most as many new patches as are left. When ten proposals in a row are
    refused, the image is done: the count is at most the target, and often less.

    Args:
      key: a random key.
      target: how many patches to hide in each image `[b]`; need not be whole.
      grid: rows and columns of patches.
      least: smallest area that is drawn: 16 in BEiT, `(min(grid) // 3) ** 2` in iBOT.
      most: largest area of a block; None is all that is left.
      aspect: height over width, low and high.
      exact: afterwards hide random patches, until the count is the target (BEiT's
        second version).

    Returns:
      `mask` [b h w], and the accepted `blocks`, their `count` and the `attempts`.

    Raises:
      ValueError: if the target is not `[b]`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> made = block_mask(jax.random.key(0), jnp.array([75.0]), grid=(14, 14))
      >>> 50 < made.mask.sum().item() <= 75
      True

    References:
      Bao et al., BEiT: BERT Pre-Training of Image Transformers, 2021, arXiv:2106.08254,
      algorithm 1. Zhou et al., iBOT: Image BERT Pre-Training with Online Tokenizer,
      2021, arXiv:2111.07832, section 3.3.
    """
    if target.ndim != 1:
        raise ValueError(f"expected a target per image [b], got {tuple(target.shape)}")
    target = target.astype(jnp.float32)
    batch = target.shape[0]
    zeros = jnp.zeros(batch, jnp.int32)

    def step(carry):
        turn, mask, blocks, count, attempts, refused = carry
        hidden = jnp.sum(mask, axis=(1, 2))
        room = target - hidden
        active = (hidden < target) & (refused < TRIES)
        limit = room if most is None else jnp.minimum(room, most)
        proposal_key = jax.random.fold_in(key, turn)
        *block, fits = _propose(proposal_key, limit, grid, least, aspect)
        cover = _covers(*block, grid)
        new = jnp.sum(cover & ~mask, axis=(1, 2))
        taken = active & fits & (new > 0) & (new <= limit)
        mask = mask | (cover & taken[:, None, None])
        here = taken[:, None] & (jnp.arange(BLOCKS)[None, :] == count[:, None])
        blocks = jnp.where(here[:, :, None], jnp.stack(block, 1)[:, None], blocks)
        refused = jnp.where(taken, 0, refused + active)
        return turn + 1, mask, blocks, count + taken, attempts + active, refused

    def unfinished(carry):
        _, mask, _, _, _, refused = carry
        return jnp.any((jnp.sum(mask, axis=(1, 2)) < target) & (refused < TRIES))

    blocks = jnp.zeros((batch, BLOCKS, 4), jnp.int32)
    start = (0, jnp.zeros((batch, *grid), bool), blocks, zeros, zeros, zeros)
    turn, mask, blocks, count, attempts, _ = jax.lax.while_loop(unfinished, step, start)
    if exact:
        mask = _complete(jax.random.fold_in(key, turn), mask, target)
    return BlockMask(mask.astype(jnp.float32), blocks, count, attempts)


def _complete(key, mask, target):
    """Hides random patches more, so that the count is the target."""
    flat = mask.reshape(mask.shape[0], -1)
    noise = jax.random.uniform(key, flat.shape)
    rank = jnp.argsort(jnp.argsort(jnp.where(flat, -1.0, noise), axis=1), axis=1)
    return (rank < target[:, None]).reshape(mask.shape)


def random_ratio(
    key: PRNGKeyArray,
    *,
    batch: int,
    ratios: Range = (0.0, 0.3),
    spread: Range = (0.0, 0.2),
) -> Float[Array, " b"]:
    """Draws the mask ratio of each image: one of several ranges, then uniform in it.

    Args:
      key: a random key.
      batch: the number of images.
      ratios: the centres of the ranges.
      spread: their half widths.

    Returns:
      Ratios `[b]`.

    Raises:
      ValueError: if there are not as many spreads as ratios.

    Example:
      >>> import jax
      >>> random_ratio(jax.random.key(0), batch=2, ratios=(0.5,), spread=(0,)).tolist()
      [0.5, 0.5]

    References:
      Zhou et al., iBOT: Image BERT Pre-Training with Online Tokenizer, 2021,
      arXiv:2111.07832, section 3.3: half of the crops stay whole, the others have a
      ratio in [0.1, 0.5].
    """
    if len(ratios) != len(spread):
        raise ValueError(f"{len(ratios)} ratios but {len(spread)} spreads")
    pick_key, place_key = jax.random.split(key)
    pick = jax.random.randint(pick_key, (batch,), 0, len(ratios))
    place = jax.random.uniform(place_key, (batch,), minval=-1.0, maxval=1.0)
    return jnp.asarray(ratios)[pick] + place * jnp.asarray(spread)[pick]


def unit_mask_from_order(
    order: Int[Array, "b n"], *, grid: tuple[int, int], ratio: float, repeat: int = 1
) -> Float[Array, "b h w"]:
    """The mask of SimMIM, given its permutation: the first of it are hidden.

    Args:
      order: permutations of the units `[b n]`.
      grid: rows and columns of units.
      ratio: the part that is hidden; `ceil(ratio * n)` units are.
      repeat: patches of the model along a side of a unit.

    Returns:
      float32 `[b rows*repeat columns*repeat]`, 1 where hidden.

    Raises:
      ValueError: if there are not rows * columns units, or for a wrong ratio.

    Example:
      >>> import jax.numpy as jnp
      >>> order = jnp.array([[3, 0, 1, 2]])
      >>> unit_mask_from_order(order, grid=(2, 2), ratio=0.5)[0].tolist()
      [[1.0, 0.0], [0.0, 1.0]]

    References:
      Xie et al., SimMIM: a Simple Framework for Masked Image Modeling, 2021,
      arXiv:2111.09886, section 3.2.
    """
    check_ratio(ratio)
    rows, columns = grid
    units = rows * columns
    if order.ndim != 2 or order.shape[1] != units:
        raise ValueError(f"expected orders [b {units}], got {tuple(order.shape)}")
    place = jnp.argsort(order, axis=1)
    hidden = (place < math.ceil(ratio * units)).astype(jnp.float32)
    hidden = hidden.reshape(-1, rows, columns)
    return jnp.repeat(jnp.repeat(hidden, repeat, axis=1), repeat, axis=2)


def unit_mask(
    key: PRNGKeyArray,
    *,
    batch: int,
    grid: tuple[int, int],
    ratio: float = 0.6,
    repeat: int = 1,
) -> Float[Array, "b h w"]:
    """Hides a fixed number of coarse units at random, on the grid of fine patches.

    Args:
      key: a random key.
      batch: the number of images.
      grid: rows and columns of units: the image side over 32 pixels in the paper.
      ratio: the part that is hidden; `ceil(ratio * n)` units are.
      repeat: patches of the model along a side of a unit.

    Returns:
      float32 `[b rows*repeat columns*repeat]`, 1 where hidden.

    Raises:
      ValueError: for a ratio outside [0, 1).

    Example:
      >>> import jax
      >>> unit_mask(jax.random.key(0), batch=1, grid=(6, 6)).sum().item()
      22.0

    References:
      Xie et al., SimMIM: a Simple Framework for Masked Image Modeling, 2021,
      arXiv:2111.09886, section 3.2.
    """
    noise = jax.random.uniform(key, (batch, grid[0] * grid[1]))
    order = jnp.argsort(noise, axis=1)
    return unit_mask_from_order(order, grid=grid, ratio=ratio, repeat=repeat)
