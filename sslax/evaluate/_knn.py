"""Nearest neighbours in feature space, the weighted kNN classifier, accuracy."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sslax.arrays import at_least_float32, unit
from sslax.checks import check_positive
from sslax.evaluate._checks import Features, Labels, check_features, check_labels

# Rows of the bank, and queries, that are on the device at once.
_BLOCK, _QUERIES = 65_536, 65_536


@functools.partial(jax.jit, static_argnames=("k", "chunk"))
def _search(queries, best, bank, first, *, k, chunk):
    """The k best of those found so far and of one block of the bank."""

    def one(given):
        row, cosine, at = given
        here = jnp.matmul(bank, row, precision=jax.lax.Precision.HIGHEST)
        rows = first + jnp.arange(here.shape[0], dtype=jnp.int32)
        # What was found before stands first, so that equal cosines keep its order.
        cosine, place = jax.lax.top_k(jnp.concatenate([cosine, here]), k)
        return cosine, jnp.concatenate([at, rows])[place]

    return jax.lax.map(one, (queries, *best), batch_size=chunk)


def _rows(x: Features, start: int, size: int, normalize: bool) -> Array:
    """Some rows on the device, of length one; the rest stays where it is."""
    rows = at_least_float32(x[start : start + size])
    return unit(rows) if normalize else rows


def neighbours(
    train_features: Features,
    test_features: Features,
    *,
    k: int = 20,
    chunk: int = 512,
    block: int = _BLOCK,
    normalize: bool = True,
) -> tuple[Float[Array, "m k"], Int[Array, "m k"]]:
    """The k training rows of highest cosine for every test row.

    Exact search by brute force. A bank that lies on the host stays there: it passes the
    device block by block, so that it may be larger than the device's memory. Can be
    called inside `jit`.

    Args:
      train_features: the bank, [n d].
      test_features: the queries, [m d].
      k: how many neighbours, at most n.
      chunk: queries at a time. Any m is covered.
      block: rows of the bank at a time; the device holds 2 * chunk * block * 4 bytes,
        and twice the block itself.
      normalize: l2-normalise the features; False takes unit vectors as they are.

    Returns:
      Cosines [m k], highest first, and rows of the bank [m k]; of equal cosines the
      lower row comes first.

    Raises:
      ValueError: for shapes that do not fit, or k above n.

    Example:
      >>> import numpy as np
      >>> bank = np.asarray([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
      >>> cosine, row = neighbours(bank, np.asarray([[5.0, 0.1]]), k=2)
      >>> row.tolist()
      [[0, 2]]
    """
    check_features(train_features=train_features, test_features=test_features)
    check_positive(k=k, chunk=chunk, block=block)
    n, m = train_features.shape[0], test_features.shape[0]
    if k > n:
        raise ValueError(f"k={k} neighbours of a bank of {n} rows; k is at most {n}")
    found = []
    for group in range(0, m, _QUERIES):
        queries = _rows(test_features, group, _QUERIES, normalize)
        count = queries.shape[0]
        best = (
            jnp.full((count, k), -jnp.inf, queries.dtype),
            jnp.zeros((count, k), jnp.int32),
        )
        for first in range(0, n, block):
            bank = _rows(train_features, first, block, normalize)
            best = _search(
                queries, best, bank, jnp.int32(first), k=k, chunk=min(chunk, count)
            )
        found.append(best)
    cosines, rows = zip(*found, strict=True)
    return jnp.concatenate(cosines), jnp.concatenate(rows)


def knn(
    train_features: Features,
    train_labels: Labels,
    test_features: Features,
    *,
    classes: int,
    k: int = 20,
    temperature: float = 0.07,
    chunk: int = 512,
    block: int = _BLOCK,
    normalize: bool = True,
) -> Float[Array, "m classes"]:
    """Weighted k-nearest-neighbour classification of frozen features.

    The k nearest training images by cosine vote for their class with weight
    exp(cosine / temperature). The cheapest honest reading of a representation: no
    training, one setting for all methods. Can be called inside `jit`.

    Args:
      train_features: [n d], without augmentation.
      train_labels: [n], integers in [0, classes).
      test_features: [m d].
      classes: the number of classes of the data set (not of the test batch).
      k: neighbours, at most n. DINO reports 20 as usually the best of 10, 20, 100, 200.
      temperature: of the votes; 0.07 (DINO), 0.1 with k=200 in some tables.
      chunk: test rows at a time.
      block: rows of the bank at a time, see `neighbours`.
      normalize: l2-normalise the features; False takes unit vectors as they are.

    Returns:
      Each class's share of the votes, [m classes], rows sum to 1. The vote itself is
      the share times the sum of exp(cosine / temperature) over the k neighbours.

    Raises:
      ValueError: for shapes that do not fit, labels out of range, or k above n.

    Example:
      >>> import numpy as np
      >>> bank = np.asarray([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
      >>> scores = knn(bank, np.asarray([0, 0, 1]), bank, classes=2, k=1)
      >>> scores.argmax(1).tolist()
      [0, 0, 1]

    References:
      Wu, Xiong, Yu, Lin. Unsupervised Feature Learning via Non-Parametric Instance
      Discrimination. 2018. arXiv:1805.01978, section 3.4.
      Caron et al. Emerging Properties in Self-Supervised Vision Transformers. 2021.
      arXiv:2104.14294, section 4.1 and appendix F.1.
    """
    check_features(train_features=train_features, test_features=test_features)
    check_labels("train_labels", train_labels, train_features.shape[0], classes)
    check_positive(temperature=temperature)
    cosine, row = neighbours(
        train_features,
        test_features,
        k=k,
        chunk=chunk,
        block=block,
        normalize=normalize,
    )
    # Softmax over neighbours: the common factor exp(max / T) would overflow at T=0.01.
    votes = jax.nn.softmax(cosine / temperature, axis=1)
    labels = jnp.asarray(train_labels)[row]
    test_rows = jnp.arange(votes.shape[0])[:, None]
    return (
        jnp.zeros((votes.shape[0], classes), votes.dtype)
        .at[test_rows, labels]
        .add(votes)
    )


def accuracy(scores: Features, labels: Labels, *, topk: int = 1) -> Float[Array, ""]:
    """Percent of rows whose label is among the `topk` highest scores.

    Args:
      scores: [m classes]; any scores of which higher is better.
      labels: [m], integers in [0, classes).
      topk: how many classes may be named.

    Returns:
      Percent, a scalar. Of equal scores the lowest class is taken first.

    Raises:
      ValueError: for shapes that do not fit, labels out of range, topk above classes.

    Example:
      >>> import numpy as np
      >>> scores = np.asarray([[0.1, 0.9], [0.8, 0.2]])
      >>> float(accuracy(scores, np.asarray([1, 1])))
      50.0

    Note:
      Libraries break ties differently (torch as it comes, scikit-learn the highest
      class). The lowest class is what `jax.lax.top_k` and `argmax` take.
    """
    check_features(scores=scores)
    check_labels("labels", labels, scores.shape[0], scores.shape[1])
    if not 1 <= topk <= scores.shape[1]:
        raise ValueError(f"topk={topk} of {scores.shape[1]} classes")
    _, best = jax.lax.top_k(jnp.asarray(scores), topk)
    hit = jnp.any(best == jnp.asarray(labels)[:, None], axis=1)
    return 100.0 * jnp.mean(hit)
