"""What methods with a memory bank share: a row for every image of the data."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sslax import losses, memory
from sslax.core import Batch

# Rows are a multiple of this, so that meshes of any usual size can split them alike.
_ROWS = 1024


def new_bank(key: Array, *, examples: int, dim: int) -> Float[Array, "n d"]:
    """A bank as InstDisc's code starts it: uniform, of length 1 on average.

    Args:
      key: of the draw.
      examples: how many images there are; the rows after them are zero, and unused.
      dim: dimension of the features.

    Returns:
      The bank, of as many rows as images or up to 1023 more.
    """
    limit, rows = (3 / dim) ** 0.5, -(-examples // _ROWS) * _ROWS
    bank = jax.random.uniform(key, (rows, dim), minval=-limit, maxval=limit)
    return jnp.where(jnp.arange(rows)[:, None] < examples, bank, 0.0)


def check_bank(*, examples: int | None, negatives: int | None) -> None:
    """Raises unless there are images, and noise among them.

    Args:
      examples: how many images there are.
      negatives: how many of them are drawn as noise, or None.

    Raises:
      ValueError: for fewer than 2 images or no noise.
    """
    if examples is None or examples < 2:
        raise ValueError(f"examples must be the 2 or more of the data; got {examples}")
    if negatives is not None and negatives < 1:
        raise ValueError(
            f"negatives must be 1 or more, as 4096 in the papers; got {negatives}"
        )


def index_of(batch: Batch) -> Int[Array, " b"]:
    """Which image of the data each one of a batch is.

    Args:
      batch: a batch that views have made.

    Returns:
      The index `[b]`.

    Raises:
      ValueError: if the batch has none.
    """
    if "index" not in batch:
        raise ValueError(
            "the method needs `index`, the number of every image in the data, as "
            f"sslax.data.loader gives it; the batch has {sorted(batch)}"
        )
    return batch["index"]


def own_and_noise(
    key: Array, batch: Batch, *, examples: int, negatives: int
) -> Int[Array, "b k"]:
    """Rows to compare with: the own image, then noise, uniform over all images.

    The own image may be among the noise, as in the released codes. A batch that brings
    noise of its own, `noise` `[b negatives]`, keeps it.

    Args:
      key: of the draw.
      batch: a batch that views have made.
      examples: how many images there are.
      negatives: how many noise images each one gets, with replacement.

    Returns:
      Rows of the bank `[b 1+negatives]`.
    """
    own = index_of(batch)
    noise = batch.get("noise")
    if noise is None:
        shape = (len(own), negatives)
        noise = jax.random.randint(key, shape, 0, examples, own.dtype)
    return jnp.concatenate([own[:, None], noise], axis=1)


def unknown_constants(count: int) -> Float[Array, " k"]:
    """Logarithms of normalisers that no batch has told yet."""
    return jnp.full(count, -jnp.inf)


def constants_of(
    known: Float[Array, " k"], scores: Float[Array, "k b n"], *, examples: int
) -> Float[Array, " k"]:
    """log Z as the first batch tells it, and then for ever.

    Args:
      known: what earlier batches told.
      scores: of this batch, for each of the constants.
      examples: how many images there are.

    Returns:
      The constants, without gradient.
    """
    told = jax.vmap(lambda s: memory.log_constant(s, size=examples))(scores)
    told = jax.lax.stop_gradient(told).astype(known.dtype)
    return jnp.where(jnp.isneginf(known), told, known)


def noise_loss(
    scores: Float[Array, "b n"], log_constant: Float[Array, ""], *, examples: int
) -> Float[Array, ""]:
    """NCE against uniform noise, with the small number that the released codes add.

    Args:
      scores: of the own image and of noise.
      log_constant: log Z.
      examples: how many images there are.

    Returns:
      The loss.
    """
    log_noise = math.log((scores.shape[1] - 1) / examples)
    return losses.nce(
        scores, log_noise=log_noise, log_constant=log_constant, epsilon=1e-7
    )
