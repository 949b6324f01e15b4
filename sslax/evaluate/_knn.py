"""Nearest neighbours in feature space, the weighted kNN classifier, accuracy."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sslax.arrays import at_least_float32, unit
from sslax.checks import check_positive
from sslax.evaluate import _rows
from sslax.evaluate._checks import Features, Labels, check_features, check_labels

# Rows of the bank on a device, and queries, that are there at once.
_BLOCK, _QUERIES = 65_536, 65_536


@functools.partial(jax.jit, static_argnames=("k", "chunk", "normalize", "mesh"))
def _search(queries, best, bank, first, n, *, k, chunk, normalize, mesh):
    """The k best of those found so far and of one block, on each device by itself.

    `best` has an axis for devices in front. Rows from n on only fill the block.
    """

    def own(queries, best, bank, first, n):
        if mesh is not None:
            first = first + jax.lax.axis_index("rows") * bank.shape[0]
        rows = first + jnp.arange(bank.shape[0], dtype=jnp.int32)
        bank = _directions(bank, normalize)

        def one(given):
            row, cosine, at = given
            here = jnp.matmul(bank, row, precision=jax.lax.Precision.HIGHEST)
            here = jnp.where(rows < n, here, -jnp.inf)
            near, place = _largest(here, min(k, here.shape[0]))
            # What was found before stands first, so that equal ones keep its order.
            cosine, chosen = jax.lax.top_k(jnp.concatenate([cosine, near]), k)
            return cosine, jnp.concatenate([at, rows[place]])[chosen]

        given = (queries, *(x[0] for x in best))
        found = jax.lax.map(one, given, batch_size=min(chunk, queries.shape[0]))
        return tuple(x[None] for x in found)

    if mesh is None:
        return own(queries, best, bank, first, n)
    whole, rows = jax.sharding.PartitionSpec(), _rows.ROWS
    specs = (whole, rows, rows, whole, whole)
    # Its check of what varies over devices does not see through `lax.map`.
    return jax.shard_map(
        own, mesh=mesh, in_specs=specs, out_specs=rows, check_vma=False
    )(queries, best, bank, first, n)


def _largest(x, k):
    """`top_k` of one row, exact and in the same order: of equal ones the first.

    The k largest lie in the k groups of largest maximum, so that all but these are read
    once and never sorted.
    """
    n = x.shape[0]
    size = 1 << max(0, (n // k).bit_length() // 2)
    if size < 4:
        return jax.lax.top_k(x, k)
    groups = jnp.pad(x, (0, -n % size), constant_values=-jnp.inf).reshape(-1, size)
    _, which = jax.lax.top_k(groups.max(axis=1), k)
    which = jnp.sort(which)
    value, place = jax.lax.top_k(groups[which].ravel(), k)
    return value, which[place // size] * size + place % size


@functools.partial(jax.jit, static_argnames=("k",))
def _merged(cosine, row, *, k):
    """The k best of all devices: highest cosine first, then the lower row."""
    cosine, row = (jnp.moveaxis(x, 0, 1).reshape(x.shape[1], -1) for x in (cosine, row))
    below, row = jax.lax.sort((-cosine, row), num_keys=2)
    return -below[:, :k], row[:, :k]


def _directions(x: Features, normalize: bool) -> Array:
    return unit(x) if normalize else at_least_float32(x)


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
    devices of this process block by block, once for every 65,536 queries, so that it
    may be larger than their memory. Each device takes its share of a block and keeps
    the best of what it has seen; in the end these are joined. Can be called inside
    `jit`, where one device does it.

    Args:
      train_features: the bank, [n d].
      test_features: the queries, [m d].
      k: how many neighbours, at most n.
      chunk: queries at a time. Any m is covered.
      block: rows of the bank that a device takes at a time; it holds
        2 * chunk * block * 4 bytes, and twice the block itself.
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
    mesh = _rows.mesh_for(train_features, test_features)
    size = _rows.block_size(n, block, mesh)
    options = dict(k=k, chunk=chunk, normalize=normalize, mesh=mesh)
    found = []
    for group in range(0, m, _QUERIES):
        queries = _directions(test_features[group : group + _QUERIES], normalize)
        shape = (_rows.count_of(mesh), queries.shape[0], k)
        kind = jnp.promote_types(queries.dtype, _kind(train_features))
        best = (jnp.full(shape, -jnp.inf, kind), jnp.zeros(shape, jnp.int32))
        queries = _rows.everywhere(queries, mesh)
        for first in range(0, n, size):
            bank = _rows.block(train_features, first, size, mesh)
            found_before = best
            best = _search(queries, best, bank, np.int32(first), np.int32(n), **options)
            # Else all blocks would be sent before the first is read.
            jax.block_until_ready(found_before)
        if mesh is None:
            found.append([x[0] for x in best])
        else:  # as every result, on no device in particular
            found.append([jnp.asarray(jax.device_get(x)) for x in _merged(*best, k=k)])
    cosines, rows = zip(*found, strict=True)
    return jnp.concatenate(cosines), jnp.concatenate(rows)


def _kind(x: Features) -> np.dtype:
    return jax.dtypes.canonicalize_dtype(x.dtype)


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
      block: rows of the bank that a device takes at a time, see `neighbours`.
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
