"""Sets of permutations far from one another, the answers of jigsaw puzzles."""

from __future__ import annotations

import functools
import itertools

import numpy as np
from jaxtyping import Integer

from sslax.augment._lab import TABLES
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


def puzzles(
    permutations: int | str, *, tiles: int = 9, criterion: str = "max_mean"
) -> Integer[np.ndarray, "count tiles"]:
    """The permutations of a puzzle: stored, chosen, or read from a file.

    Args:
      permutations: how many, or the path of a .npy file with rows of 0..tiles-1.
      tiles: what is permuted; for 9, the first 1000 are stored.
      criterion: `max_mean` or `max_min`, see `choose_permutations`.

    Returns:
      int32 permutations; row k is the answer to puzzle k.

    Raises:
      ValueError: for more than there are, an unknown criterion, or a file with other
        rows.

    Example:
      >>> puzzles(2, tiles=3).tolist()
      [[0, 1, 2], [1, 2, 0]]
    """
    if isinstance(permutations, str):
        return _checked(np.load(permutations, allow_pickle=False), tiles, permutations)
    stored = tiles == 9 and permutations <= len(_stored(criterion))
    if stored:
        return permutation_set(count=permutations, criterion=criterion).astype(np.int32)
    return choose_permutations(
        count=permutations, tiles=tiles, criterion=criterion
    ).astype(np.int32)


def _checked(table: np.ndarray, tiles: int, path: str) -> np.ndarray:
    wanted = np.arange(tiles)
    if table.ndim != 2 or not np.array_equal(
        np.sort(table, axis=1), np.broadcast_to(wanted, (len(table), tiles))
    ):
        raise ValueError(
            f"{path} must hold rows of 0 to {tiles - 1}, each number once; got an "
            f"array of shape {table.shape}"
        )
    if len(np.unique(table, axis=0)) != len(table) or not len(table):
        raise ValueError(f"{path} must hold some permutations, each once")
    return table.astype(np.int32)


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
