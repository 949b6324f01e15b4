"""Probes with few labels per class: where self-supervision earns its keep."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Int

from sslax.checks import check_positive
from sslax.evaluate._basis import basis_of, eigenbasis, project
from sslax.evaluate._checks import (
    Features,
    Labels,
    check_features,
    check_labels,
    raised_numpy,
)
from sslax.evaluate._logistic import fit

# Choices of few labels, and of so many that a fit takes long and choices differ little.
_DRAWS, _MANY, _DRAWS_OF_MANY = 20, 100, 5
# Logits of all draws that are held at once.
_LOGITS = 2**25


def labelled_rows(
    labels: Labels, *, per_class: int, classes: int, key: Array
) -> Int[np.ndarray, " rows"]:
    """A random class-balanced choice of rows, `per_class` of each class.

    With one key, a smaller choice is part of a larger one.

    Args:
      labels: [n], integers in [0, classes).
      per_class: rows of each class.
      classes: the number of classes.
      key: of the draw.

    Returns:
      Rows [per_class * classes], class after class.

    Raises:
      ValueError: if a class has fewer rows.

    Example:
      >>> import numpy as np
      >>> rows = labelled_rows(
      ...     np.asarray([0, 1, 0, 1]), per_class=1, classes=2, key=jax.random.key(0)
      ... )
      >>> np.asarray([0, 1, 0, 1])[rows].tolist()
      [0, 1]
    """
    labels = np.asarray(labels)
    check_labels("labels", labels, labels.shape[0], classes)
    check_positive(per_class=per_class)
    counts = np.bincount(labels, minlength=classes)
    if counts.min() < per_class:
        raise ValueError(
            f"{per_class} labels per class asked, but class {counts.argmin()} has "
            f"{counts.min()} of {labels.shape[0]} rows"
        )
    order = np.asarray(jax.random.permutation(key, labels.shape[0]))
    by_class = order[np.argsort(labels[order], kind="stable")]
    first = np.cumsum(counts) - counts
    return by_class[(first[:, None] + np.arange(per_class)).ravel()]


def few_label_probe(
    train_features: Features,
    train_labels: Labels,
    test_features: Features,
    test_labels: Labels,
    *,
    classes: int,
    key: Array,
    labels_per_class: Sequence[int] = (1, 10, 100),
    draws: int | None = None,
    l2: float = 0.1,
) -> dict[int, tuple[float, float]]:
    """Accuracy of logistic regression on few labels, over random choices of them.

    Every draw takes a class-balanced choice of training rows, fits
    `logistic_regression` on it and reads all test rows. Features are standardised by
    the whole training set, which needs no labels. Draws are nested: the rows of 10
    labels hold those of 1.

    Args:
      train_features: [n d].
      train_labels: [n], integers in [0, classes).
      test_features: [m d].
      test_labels: [m], integers in [0, classes).
      classes: the number of classes of the data set.
      key: of the draws; the same key draws the same rows for other features.
      labels_per_class: the numbers of labels per class to try.
      draws: choices per number; None is 20, and 5 for 100 labels of a class and more.
      l2: the penalty. It is fixed, as few labels leave none to choose it by; between
        0.01 and 1 it hardly matters.

    Returns:
      By labels per class: the mean and the standard deviation of accuracy in percent
      over draws. The deviation of a single draw is 0.

    Raises:
      ValueError: for shapes that do not fit, labels out of range, or a class with fewer
        rows than asked.

    Example:
      >>> import numpy as np
      >>> x = np.asarray([[-1.0], [-2.0], [1.0], [2.0]])
      >>> y = np.asarray([0, 0, 1, 1])
      >>> key = jax.random.key(0)
      >>> few_label_probe(x, y, x, y, classes=2, key=key, labels_per_class=(1,))
      {1: (100.0, 0.0)}
    """
    check_features(train_features=train_features, test_features=test_features)
    check_labels("train_labels", train_labels, train_features.shape[0], classes)
    check_labels("test_labels", test_labels, test_features.shape[0], classes)
    check_positive(l2=l2, draws=_DRAWS if draws is None else draws)
    labels, truth = np.asarray(train_labels), np.asarray(test_labels)
    train, test = raised_numpy(train_features), raised_numpy(test_features)
    shared = basis_of(train)
    test = project(test, shared)
    result = {}
    for per_class in labels_per_class:
        weights = []
        for draw in range(_choices(draws, per_class)):
            rows = labelled_rows(
                labels,
                per_class=per_class,
                classes=classes,
                key=jax.random.fold_in(key, draw),
            )
            some = project(train[rows], shared)
            weights.append(_fit_rows(some, labels[rows], shared.power, classes, l2))
        result[per_class] = _mean_and_deviation(np.stack(weights), test, truth)
    return result


def _choices(draws: int | None, per_class: int) -> int:
    if draws is not None:
        return draws
    return _DRAWS if per_class < _MANY else _DRAWS_OF_MANY


def _fit_rows(features, labels, power, classes, l2):
    """Weights for the shared basis, found in the rows' own span where it is smaller."""
    basis = None
    if features.shape[0] < features.shape[1]:
        basis, power = eigenbasis(features)
        features = (features @ basis).astype(features.dtype)
    weights = fit(
        features,
        labels,
        power,
        classes=classes,
        l2=l2,
        tolerance=1e-3,
    )
    if basis is None:
        return weights
    return np.concatenate([basis @ weights[:-1], weights[-1:]])


def _mean_and_deviation(weights, test, truth):
    draws, _, classes = weights.shape
    side_by_side = np.moveaxis(weights, 0, 1).reshape(-1, draws * classes)
    side_by_side = side_by_side.astype(test.dtype)
    hits, size = np.zeros(draws), max(1, _LOGITS // (draws * classes))
    for start in range(0, len(test), size):
        rows = slice(start, start + size)
        logits = test[rows] @ side_by_side[:-1] + side_by_side[-1]
        named = logits.reshape(-1, draws, classes).argmax(2)
        hits += (named == truth[rows, None]).sum(0)
    percents = 100.0 * hits / len(test)
    deviation = percents.std(ddof=1) if draws > 1 else 0.0
    return float(percents.mean()), float(deviation)
