"""What the learning race reads of a network: of its features, and of inner layers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from sslax import data, evaluate
from sslax.train.outputs import outputs_of
from sslax.train.run import Run, build_run

_RANDOM: dict[tuple[str, int], dict[str, float]] = {}


def reader(run: Run) -> Callable[[Any, list[data.Source]], list[np.ndarray]]:
    """`(state, sources) -> features` of the images of each, in their order."""
    read = outputs_of(run, ("features",))
    return lambda state, sources: [read(state, s).outputs["features"] for s in sources]


def readers(
    run: Run, made: Callable[..., dict], changes: Sequence, layers: str
) -> dict[str, Callable[[Any, list[data.Source]], list[np.ndarray]]]:
    """Readers of the features and of inner layers, by what they add to a row's name.

    Parameters of an encoder do not depend on what it gives, so that a run that gives
    one more layer reads any state of this one; the method has to take `features`.
    """
    read = {"": reader(run)}
    for layer in layers.split(",") if layers else ():
        config = made(changes=changes)
        given = config["method"]["encoder"]["output"]
        given = (given,) if isinstance(given, str) else given
        config["method"]["encoder"]["output"] = (*given, layer)
        config["method"]["features"] = layer
        read[f", {layer}"] = reader(build_run(config))
    return read


def random_numbers(x: list[np.ndarray], labels: list[np.ndarray], seed: int) -> dict:
    """`numbers`, read once of what many methods start from."""
    mark = hashlib.sha256(x[1].tobytes()).hexdigest(), seed
    if mark not in _RANDOM:
        _RANDOM[mark] = numbers(x, labels, seed)
    return _RANDOM[mark]


def numbers(x: list[np.ndarray], labels: list[np.ndarray], seed: int) -> dict:
    """What a row shows of features; percent but for RankMe."""
    (train_x, test_x), (train_y, test_y) = x, labels
    train_x, test_x = (np.reshape(a, (len(a), -1)) for a in (train_x, test_x))
    classes, key = int(train_y.max()) + 1, jax.random.key(seed)
    scores = evaluate.knn(train_x, train_y, test_x, classes=classes, k=20)
    l2 = evaluate.choose_l2(train_x, train_y, classes=classes, key=key)
    linear = evaluate.logistic_regression(
        train_x, train_y, test_x, classes=classes, l2=l2
    )
    few = evaluate.few_label_probe(
        train_x,
        train_y,
        test_x,
        test_y,
        classes=classes,
        key=key,
        labels_per_class=(10,),
    )
    return {
        "knn": float(evaluate.accuracy(scores, test_y)),
        "linear": float(evaluate.accuracy(linear, test_y)),
        "ten_labels": few[10][0],
        "rankme": float(evaluate.rankme(test_x)),
    }
