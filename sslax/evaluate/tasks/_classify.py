"""Classification from frozen features: in full after a run, in short during it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array

from sslax.evaluate._health import health
from sslax.evaluate._knn import accuracy
from sslax.evaluate._knn import knn as knn_scores
from sslax.evaluate._linear_probe import linear_probe
from sslax.evaluate._logistic import logistic_regression
from sslax.evaluate._protocol import evaluate_features
from sslax.evaluate.tasks._task import (
    Results,
    Split,
    Task,
    class_count,
    left_out,
    read_split,
    rows_of,
    unlabelled,
)

_PROBE = tuple(inspect.signature(linear_probe).parameters)[5:]


def classify(
    *,
    k: int = 20,
    temperature: float = 0.07,
    labels_per_class: Sequence[int] = (1, 10, 100),
    draws: int | None = None,
    probe: Mapping[str, Any] | None = None,
    examples: int | None = None,
) -> Task:
    """kNN, linear probes, few labels, and the health of the features.

    Args:
      k: neighbours of the kNN; all rows where the set has fewer.
      temperature: of the kNN's votes.
      labels_per_class: of the few-label probes; those that a class cannot give are left
        out.
      draws: of the few-label probes; None is 20, and 5 for 100 labels of a class and
        more.
      probe: arguments of `evaluate.linear_probe`, the SGD probe of a paper; None leaves
        it out. Where the set is smaller than its batch, the batch is the set.
      examples: at most so many images of each split; None is all.

    Returns:
      A task with the numbers of `evaluate.evaluate_features`; without labels or a test
      split those of `evaluate.health` alone.

    Raises:
      ValueError: if the probe has an argument that `linear_probe` lacks.
    """
    for name in probe or ():
        if name not in _PROBE:
            raise ValueError(
                f"probe has no argument {name!r}; it has {', '.join(_PROBE)}"
            )

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        judged = read_split(splits)
        pair = judged.outputs.get("pair/features")
        pair = None if pair is None else (rows_of(pair[:, 0]), rows_of(pair[:, 1]))
        if why := unlabelled(splits):
            features = rows_of(judged.outputs["features"])
            note = left_out("kNN, linear and few-label probes are", why)
            return Results(health(features, pair), note)
        train, test = splits["train"], splits["test"]
        n, notes, settings = len(train.index), (), dict(probe) if probe else None
        if settings is not None and settings.get("batch_size", 256) > n:
            notes = (f"the batch of the SGD probe is all {n} training images",)
            settings["batch_size"] = n
        numbers = evaluate_features(
            (train.outputs["features"], train.labels),
            (test.outputs["features"], test.labels),
            classes=class_count(splits),
            key=key,
            k=min(k, n),
            temperature=temperature,
            labels_per_class=labels_per_class,
            draws=draws,
            probe=settings,
            positive_pair=pair,
        )
        return Results(numbers, notes)

    return Task(
        needs=("features",),
        run=run,
        wants=("pair/features",),
        examples=examples,
        best="knn",
    )


def knn(*, k: int = 20, temperature: float = 0.07) -> Task:
    """Weighted kNN alone: the reading that costs least, for use during training.

    Args:
      k: neighbours; all rows where the set has fewer.
      temperature: of the votes.

    Returns:
      A task with the number `knn`, percent.
    """

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        if why := unlabelled(splits):
            return Results(notes=left_out("kNN is", why))
        scores = knn_scores(
            *_train(splits),
            _test(splits),
            classes=class_count(splits),
            k=min(k, len(splits["train"].index)),
            temperature=temperature,
        )
        return Results({"knn": float(accuracy(scores, splits["test"].labels))})

    return Task(needs=("features",), run=run, best="knn")


def linear(*, l2: float = 1e-3) -> Task:
    """Logistic regression with a fixed penalty, for use during training.

    Args:
      l2: the penalty, see `evaluate.logistic_regression`.

    Returns:
      A task with the number `linear`, percent.
    """

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        if why := unlabelled(splits):
            return Results(notes=left_out("the linear probe is", why))
        scores = logistic_regression(
            *_train(splits), _test(splits), classes=class_count(splits), l2=l2
        )
        return Results({"linear": float(accuracy(scores, splits["test"].labels))})

    return Task(needs=("features",), run=run, best="linear")


def _train(splits: Mapping[str, Split]) -> tuple[np.ndarray, Any]:
    split = splits["train"]
    return rows_of(split.outputs["features"]), split.labels


def _test(splits: Mapping[str, Split]) -> np.ndarray:
    return rows_of(splits["test"].outputs["features"])
