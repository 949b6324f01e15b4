"""One reading for every set of features; its table; the map."""

import jax
import numpy as np
import pytest

from sslax import evaluate

KEY = jax.random.key(0)


def images(n, seed):
    """Grey 4 x 4 images whose class is the bright half."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 2).astype(np.int32)
    x = rng.integers(0, 160, (n, 4, 4, 1))
    x[:, :2] += 70 * y[:, None, None, None]
    return x.astype(np.uint8), y


def test_every_number_is_there_and_the_same_twice():
    train, test = images(60, 0), images(40, 1)
    setting = dict(classes=2, key=KEY, k=5, draws=3, labels_per_class=(1, 10, 100))
    numbers = evaluate.evaluate_features(
        train,
        test,
        probe=dict(batch_size=20, epochs=5),
        positive_pair=(test[0], 255 - test[0]),
        **setting,
    )
    # 30 rows of each class cannot give 100.
    assert set(numbers) == {
        "knn", "linear", "l2", "linear_sgd", "linear_1_per_class",
        "linear_1_per_class_deviation", "linear_10_per_class",
        "linear_10_per_class_deviation", "rankme", "dimensions", "std", "cosine",
        "dead", "uniformity", "alignment",
    }  # fmt: skip
    assert numbers["linear"] > 80
    assert numbers["dimensions"] == 16
    floats = [(x.reshape(len(x), -1) / np.float32(255), y) for x, y in (train, test)]
    again = evaluate.evaluate_features(*floats, **setting)
    assert all(again[name] == pytest.approx(numbers[name], abs=1e-4) for name in again)
    assert not {"linear_sgd", "alignment"} & set(again)


def test_table_aligns_and_shows_deviations():
    few = dict(linear_10_per_class=75.04, linear_10_per_class_deviation=1.21)
    text = evaluate.format_results(
        {"network": dict(knn=84.06, **few), "raw pixels": dict(knn=80.5)}
    )
    assert text.splitlines() == [
        "             kNN    10/class",
        "network     84.1  75.0 ± 1.2",
        "raw pixels  80.5           -",
    ]


def test_map_keeps_groups_together_and_repeats_itself():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = (4.0 * np.eye(8)[y] + 0.1 * rng.normal(size=(60, 8))).astype(np.float32)
    xy = evaluate.embedding_map(x, key=KEY, perplexity=10.0)
    assert xy.min() >= 0
    assert xy.max() == pytest.approx(1.0)
    nearest = np.argsort(((xy[:, None] - xy[None]) ** 2).sum(-1), axis=1)[:, 1]
    assert (y[nearest] == y).mean() > 0.95
    np.testing.assert_array_equal(
        xy, evaluate.embedding_map(x, key=KEY, perplexity=10.0)
    )
    with pytest.raises(
        ValueError, match=r"perplexity must be in \(0, 20\) for 20 rows"
    ):
        evaluate.embedding_map(x[:20], key=KEY, perplexity=30.0)
