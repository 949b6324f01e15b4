"""One reading for every set of features, so that baselines stand beside the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from sslax.evaluate._few_labels import few_label_probe
from sslax.evaluate._health import health
from sslax.evaluate._knn import accuracy, knn
from sslax.evaluate._linear_probe import linear_probe
from sslax.evaluate._logistic import choose_l2, logistic_regression


def evaluate_features(
    train: tuple[Any, Any],
    test: tuple[Any, Any],
    *,
    classes: int,
    key: Array,
    k: int = 20,
    temperature: float = 0.07,
    labels_per_class: Sequence[int] = (1, 10, 100),
    draws: int | None = None,
    probe: Mapping[str, Any] | None = None,
    positive_pair: tuple[Any, Any] | None = None,
) -> dict[str, float]:
    """Everything that is reported of one set of frozen features.

    Call it alike for the network, for the network before training and for raw pixels:
    a number means little without the other two.

    Args:
      train: features [n ...] and labels [n]; images are flattened to pixels.
      test: features [m ...] and labels [m].
      classes: the number of classes of the data set.
      key: of all that is drawn; the same key draws the same labels for other features.
      k: neighbours of the kNN, at most n.
      temperature: of the kNN's votes.
      labels_per_class: of the few-label probes; those that a class cannot give are
        left out.
      draws: of the few-label probes; None is 20, and 5 for 100 labels of a class and
        more.
      probe: arguments of `linear_probe`; None leaves
        the SGD probe out.
      positive_pair: features of two random views of the test images, for alignment.

    Returns:
      Percent: `knn`, `linear` (logistic regression to the optimum), with `probe`
      `linear_sgd`, and for every number L of labels `linear_L_per_class` with
      `linear_L_per_class_deviation`. The penalty `l2` that was chosen. The numbers of
      `health` on the test features.

    Raises:
      ValueError: for shapes that do not fit, labels out of range, or k above n.

    Example:
      >>> import numpy as np
      >>> y = np.arange(40) % 2
      >>> x = (y[:, None] + 0.1 * np.random.default_rng(0).normal(size=(40, 3)))
      >>> numbers = evaluate_features(
      ...     (x, y), (x, y), classes=2, key=jax.random.key(0), draws=2
      ... )
      >>> numbers["linear"], "linear_10_per_class" in numbers
      (100.0, True)
    """
    (x, y), (xt, yt) = ((_rows(a), np.asarray(b)) for a, b in (train, test))
    setting: dict[str, Any] = dict(classes=classes)
    scores = knn(x, y, xt, k=k, temperature=temperature, **setting)
    numbers = {"knn": float(accuracy(scores, yt))}
    l2 = choose_l2(x, y, key=jax.random.fold_in(key, 0), **setting)
    scores = logistic_regression(x, y, xt, l2=l2, **setting)
    numbers |= {"linear": float(accuracy(scores, yt)), "l2": l2}
    if probe is not None:
        probe_key = jax.random.fold_in(key, 1)
        scores = linear_probe(x, y, xt, key=probe_key, **setting, **probe)
        numbers["linear_sgd"] = float(accuracy(scores, yt))
    fewest = int(np.bincount(y, minlength=classes).min())
    few = few_label_probe(
        x,
        y,
        xt,
        yt,
        key=jax.random.fold_in(key, 2),
        labels_per_class=[count for count in labels_per_class if count <= fewest],
        draws=draws,
        **setting,
    )
    for count, (mean, deviation) in few.items():
        numbers[f"linear_{count}_per_class"] = mean
        numbers[f"linear_{count}_per_class_deviation"] = deviation
    if positive_pair is not None:
        positive_pair = (_rows(positive_pair[0]), _rows(positive_pair[1]))
    return numbers | health(xt, positive_pair)


def _rows(x: Any) -> np.ndarray:
    """Features as `[n d]`; integer pixels as floats in [0, 1]."""
    x = np.asarray(x)
    if x.dtype == np.uint8:
        x = x.astype(np.float32) / 255.0
    return x if x.ndim == 2 else x.reshape(len(x), -1)


# Column, heading, digits after the point.
_COLUMNS = (
    ("images", "images", 0),
    ("knn", "kNN", 1),
    ("linear", "linear", 1),
    ("linear_sgd", "linear SGD", 1),
    ("rankme", "RankMe", 1),
    ("dimensions", "of", 0),
    ("std", "std", 2),
    ("uniformity", "uniformity", 2),
    ("alignment", "alignment", 2),
)
# Reported, but no column: they belong to others or say little beside them.
_HIDDEN = {"l2", "cosine", "dead"}


def result_table(
    results: Mapping[str, Mapping[str, float]],
) -> tuple[list[str], list[list[str]]]:
    """The results of several sets of features as headings and rows of text.

    Args:
      results: numbers of tasks by name, in order.

    Returns:
      Headings, and one row of cells for each name. Columns that no result has are left
      out; a cell that one result lacks is "-". Percents have one decimal.

    Example:
      >>> result_table({"network": {"knn": 84.06}, "raw pixels": {"knn": 80.5}})
      (['', 'kNN'], [['network', '84.1'], ['raw pixels', '80.5']])
    """
    few = sorted(
        {
            int(name.split("_")[1])
            for numbers in results.values()
            for name in numbers
            if name.startswith("linear_") and name.endswith("_per_class")
        }
    )
    few_columns = [(f"linear_{n}_per_class", f"{n}/class", 1) for n in few]
    known = (*_COLUMNS[:4], *few_columns, *_COLUMNS[4:])
    listed = {name for name, _, _ in known} | _HIDDEN
    others = {
        name: (name, name.replace("_", " "), 1 if "loss" not in name else 3)
        for numbers in results.values()
        for name in numbers
        if name not in listed and not name.endswith("_deviation")
    }
    columns = [
        column
        for column in (*known, *others.values())
        if any(column[0] in numbers for numbers in results.values())
    ]
    rows = [
        [name, *(_cell(numbers, column, digits) for column, _, digits in columns)]
        for name, numbers in results.items()
    ]
    return ["", *(heading for _, heading, _ in columns)], rows


def _cell(numbers: Mapping[str, float], column: str, digits: int) -> str:
    if column not in numbers:
        return "-"
    text = f"{numbers[column]:.{digits}f}"
    deviation = numbers.get(f"{column}_deviation")
    return text if deviation is None else f"{text} ± {deviation:.1f}"


def format_results(results: Mapping[str, Mapping[str, float]]) -> str:
    """The results of several sets of features as a table for the terminal.

    Args:
      results: numbers from `evaluate_features` by name, in order.

    Returns:
      Lines of text, aligned.

    Example:
      >>> print(format_results({"network": {"knn": 84.06}, "pixels": {"knn": 80.5}}))
                kNN
      network  84.1
      pixels   80.5
    """
    headings, rows = result_table(results)
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = []
    for row in [headings, *rows]:
        name, *cells = row
        numbers = (f"{c:>{w}}" for c, w in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([f"{name:<{widths[0]}}", *numbers]))
    return "\n".join(lines)
