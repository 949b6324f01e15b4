"""Rows that are nearly the same: neighbours within a set, pairs above a similarity."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sslax.arrays import at_least_float32, unit
from sslax.checks import check_positive
from sslax.evaluate._checks import Features, check_features
from sslax.evaluate._knn import neighbours

# What rounding takes from the cosine of two equal rows.
_ROUNDING = 1e-6
# So many links are kept before they are replaced by as few as join the same rows.
_LINKS = 2**20


class Duplicates(NamedTuple):
    """Pairs of rows above a cosine.

    Attributes:
      pairs: rows [p 2], the lower first; those of highest cosine come first.
      cosines: of the pairs, [p].
      count: how many pairs there are, of which `pairs` may be a part.
      groups: the rows that pairs join, directly or over others; the largest first.
    """

    pairs: np.ndarray
    cosines: np.ndarray
    count: int
    groups: tuple[np.ndarray, ...]


def other_neighbours(
    features: Features, rows: np.ndarray | None = None, *, k: int = 20
) -> tuple[np.ndarray, np.ndarray]:
    """The k other rows of highest cosine for some rows of a set; none finds itself.

    Args:
      features: [n d].
      rows: which rows ask, [m]; None is all.
      k: how many neighbours; at most n - 1 are given.

    Returns:
      Cosines [m k], highest first, and rows [m k], see `neighbours`.

    Raises:
      ValueError: if there are fewer than two rows.

    Example:
      >>> import numpy as np
      >>> from sslax.evaluate import other_neighbours
      >>> x = np.asarray([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]])
      >>> other_neighbours(x, k=1)[1].tolist()
      [[2], [2], [0]]
    """
    check_features(features=features)
    n = len(features)
    if n < 2:
        raise ValueError("a set of one row has no neighbours in it")
    k = min(k, n - 1)
    rows = np.arange(n) if rows is None else np.asarray(rows)
    asked = features if len(rows) == n else features[rows]
    cosines, near = map(np.asarray, neighbours(features, asked, k=k + 1))
    others = near != rows[:, None]
    # Among more than k equal rows it may not find itself: one too many is left then.
    others &= np.cumsum(others, axis=1) <= k
    return cosines[others].reshape(-1, k), near[others].reshape(-1, k)


@functools.partial(jax.jit, static_argnames=("own",))
def _cosines(a, b, *, own):
    cosine = jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST)
    if own:  # each pair once, and no row with itself
        cosine = jnp.where(jnp.triu(jnp.ones(cosine.shape, bool), 1), cosine, -2.0)
    return cosine, cosine.max()


def near_duplicates(
    features: Features,
    *,
    threshold: float = 0.95,
    most: int = 10_000,
    block: int = 2048,
) -> Duplicates:
    """All pairs of rows whose cosine is at least a threshold, and what they join.

    Two blocks of rows are compared at a time, so that no n x n matrix is ever held. The
    number of pairs and the groups are exact; of the pairs only the first `most` are
    kept. Groups are chains: their ends may be less alike than the threshold. What
    cosine means "the same" depends on the network: look at some pairs.

    Args:
      features: [n d].
      threshold: the least cosine of a pair.
      most: how many pairs to keep.
      block: rows at a time; the device holds block * (block + 2 d) * 4 bytes.

    Returns:
      Pairs, highest first, their number, and groups.

    Raises:
      ValueError: if the threshold is not in (-1, 1], or features are not [n d].

    Example:
      >>> import numpy as np
      >>> from sslax.evaluate import near_duplicates
      >>> x = np.asarray([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1]])
      >>> found = near_duplicates(x, threshold=0.9)
      >>> found.pairs.tolist(), found.count, [g.tolist() for g in found.groups]
      ([[0, 2]], 1, [[0, 2]])
    """
    check_features(features=features)
    check_positive(most=most, block=block)
    if not -1 < threshold <= 1:
        raise ValueError(f"threshold is a cosine in (-1, 1]; got {threshold}")
    n, count, waiting = len(features), 0, 0
    best, links = _nothing(), []
    for first in range(0, n, block):
        own = _unit(features, first, block)
        for second in range(first, n, block):
            same = first == second
            other = own if same else _unit(features, second, block)
            cosine, highest = _cosines(own, other, own=same)
            if highest < threshold - _ROUNDING:
                continue
            found = _found(np.asarray(cosine), threshold, (first, second))
            count += len(found[1])
            best = _best(best, found, most)
            links.append(found[0])
            waiting += len(found[0])
            if waiting > max(_LINKS, 2 * n):
                links, waiting = [_fewest(np.concatenate(links), n)], 0
    return Duplicates(*best, count, _groups(links, n))


def _unit(x: Features, start: int, size: int):
    return unit(at_least_float32(jnp.asarray(x[start : start + size])))


def _nothing() -> tuple[np.ndarray, np.ndarray]:
    return np.empty((0, 2), np.int64), np.empty(0, np.float32)


def _found(
    cosine: np.ndarray, threshold: float, at: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    places = np.argwhere(cosine >= threshold - _ROUNDING)
    return places + at, cosine[tuple(places.T)]


def _best(kept, found, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of highest cosine of both; of equal ones those that came first."""
    if len(kept[1]) == most:
        higher = found[1] > kept[1][-1]
        found = found[0][higher], found[1][higher]
    pairs, cosines = (np.concatenate(both) for both in zip(kept, found, strict=True))
    order = np.argsort(-cosines, kind="stable")[:most]
    return pairs[order], cosines[order]


def _linked(links: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows that have links, in order, and a number for what hangs together."""
    graph = coo_matrix((np.ones(len(links), bool), links.T), shape=(n, n))
    _, part = connected_components(graph, directed=False)
    rows = np.unique(links)
    return rows, part[rows]


def _fewest(links: np.ndarray, n: int) -> np.ndarray:
    """A link for each row that has some, which together join the same rows."""
    rows, part = _linked(links, n)
    _, first, place = np.unique(part, return_index=True, return_inverse=True)
    return np.stack([rows[first][place], rows], axis=1)


def _groups(links: list[np.ndarray], n: int) -> tuple[np.ndarray, ...]:
    """Sets of linked rows in order, the largest first."""
    if not links:
        return ()
    rows, part = _linked(np.concatenate(links), n)
    order = np.argsort(part, kind="stable")
    borders = np.flatnonzero(np.diff(part[order])) + 1
    groups = np.split(rows[order], borders)
    return tuple(sorted(groups, key=lambda group: (-len(group), group[0])))
