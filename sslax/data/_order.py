"""Which examples make up batch k."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=4)
def permutation(seed: int, epoch: int, length: int) -> np.ndarray:
    """The order of all examples in one epoch, int64 [length], read-only."""
    order = np.random.default_rng((seed, epoch)).permutation(length)
    order.flags.writeable = False
    return order


def batch_indices(
    step: int,
    *,
    seed: int,
    length: int,
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
) -> np.ndarray:
    """The examples of batch `step` that one process loads.

    The permutations of all epochs follow each other without a gap, and batch k is the
    k-th stretch of `batch_size` of them: an epoch may end inside a batch, and nothing
    is lost. Process p of P takes the p-th of P equal parts of it.

    Args:
      step: the number of the batch, from 0.
      seed: of the permutations.
      length: how many examples there are.
      batch_size: of all processes together.
      process_index: which process asks.
      process_count: how many there are.

    Returns:
      Positions in the source, int64 [batch_size / process_count].
    """
    share = batch_size // process_count
    start = step * batch_size + process_index * share
    places = np.arange(start, start + share)
    epochs = places // length
    out = np.empty(share, np.int64)
    for epoch in range(epochs[0], epochs[-1] + 1):
        here = epochs == epoch
        out[here] = permutation(seed, epoch, length)[places[here] - epoch * length]
    return out


def batch_draws(
    step: int,
    *,
    seed: int,
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
) -> np.ndarray:
    """A random number for each example of batch `step` that one process loads.

    They are those of the whole batch, whatever the number of processes.

    Args:
      step: the number of the batch, from 0.
      seed: of the numbers.
      batch_size: of all processes together.
      process_index: which process asks.
      process_count: how many there are.

    Returns:
      int64 [batch_size / process_count], in 0..2^31-1.
    """
    share = batch_size // process_count
    drawn = np.random.default_rng((seed, step, 1)).integers(2**31, size=batch_size)
    return drawn[process_index * share : (process_index + 1) * share]
