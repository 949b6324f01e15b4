"""Weighted kNN and accuracy against slow readings of their definitions."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import evaluate
from sslax.evaluate import _knn as knn_module
from sslax.evaluate import _rows


def features(seed, n, d=8):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def labels(seed, n, classes=5):
    return np.random.default_rng(seed).integers(0, classes, n).astype(np.int32)


def slow_knn(train, y, test, *, k, temperature, classes):
    train = train / np.linalg.norm(train, axis=1, keepdims=True)
    test = test / np.linalg.norm(test, axis=1, keepdims=True)
    scores = np.zeros((len(test), classes))
    for i, row in enumerate(test.astype(np.float64)):
        cosine = train.astype(np.float64) @ row
        for j in np.argsort(-cosine)[:k]:
            scores[i, y[j]] += np.exp(cosine[j] / temperature)
    return scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("chunk", [4, 7, 100])
def test_knn_is_the_vote_of_its_definition_for_every_chunk(chunk):
    # 11 test rows: chunks of 4 and 7 leave a remainder, 100 is more than there are.
    train, y, test = features(0, 40), labels(1, 40), features(2, 11)
    setting = dict(k=9, temperature=0.1, classes=6)  # class 5 is in no row
    expected = slow_knn(train, y, test, **setting)
    found = evaluate.knn(train, y, test, chunk=chunk, **setting)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert found.shape == (11, 6)


@pytest.mark.parametrize("block", [1, 7, 39, 40, 64])
def test_the_bank_in_blocks_gives_the_same_neighbours_in_the_same_order(block):
    train, test = features(0, 40), features(2, 11)
    train[17] = train[3]  # equal cosines on both sides of a border
    whole = evaluate.neighbours(train, test, k=9)
    parts = evaluate.neighbours(train, test, k=9, block=block, chunk=4)
    np.testing.assert_array_equal(whole[1], parts[1])
    np.testing.assert_allclose(whole[0], parts[0], rtol=1e-5, atol=1e-6)


def test_a_bank_on_the_host_is_never_whole_on_the_device(monkeypatch):
    """ImageNet's features are larger than many a device: blocks pass through it."""
    train, test = features(0, 4096, d=32), features(2, 3, d=32)
    seen = []
    original = knn_module._search

    def watched(queries, best, bank, *rest, **options):
        seen.append(bank.shape)
        return original(queries, best, bank, *rest, **options)

    monkeypatch.setattr(knn_module, "_search", watched)
    evaluate.knn(train, labels(1, 4096), test, classes=5, block=1024)
    assert seen == [(1024, 32)] * 4


def test_devices_that_share_the_bank_find_what_one_finds(monkeypatch):
    """Also in which order: cosines of these vectors are exact, and many are equal."""
    bank = np.random.default_rng(0).choice([-1.0, 1.0], (301, 4)).astype(np.float32)
    order = np.argsort(-(bank[:9] @ bank.T), axis=1, kind="stable")
    monkeypatch.setattr(_rows, "_ALONE", 0)
    # Three blocks, of which each of eight devices has fewer rows than neighbours.
    cosine, row = evaluate.neighbours(bank, bank[:9], k=301, block=16)
    np.testing.assert_array_equal(row, order)
    expected = np.take_along_axis(bank[:9] @ bank.T / 4, order, axis=1)
    np.testing.assert_array_equal(cosine, expected)


@pytest.mark.parametrize(("n", "k"), [(997, 7), (64, 64), (4096, 1)])
def test_the_largest_of_groups_are_the_largest_in_the_same_order(n, k):
    x = jnp.asarray(np.random.default_rng(n).integers(0, 150, (40, n)), jnp.float32)
    x = x.at[:, : n // 9].set(-jnp.inf)  # rows that only fill a block
    found = jax.jit(jax.vmap(lambda row: knn_module._largest(row, k)))(x)
    chex.assert_trees_all_equal(tuple(found), tuple(jax.lax.top_k(x, k)))


def test_knn_stays_finite_at_low_temperature_and_zero_rows():
    train = np.concatenate([features(0, 10), np.zeros((2, 8), np.float32)])
    test = np.stack([train[3], -train[3], np.zeros(8, np.float32)])
    scores = evaluate.knn(train, labels(1, 12), test, classes=5, k=4, temperature=0.01)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-5)
    assert scores[0].argmax() == labels(1, 12)[3]


def test_knn_runs_inside_jit_and_raises_precision():
    train, y, test = features(0, 16), labels(1, 16), features(2, 3)
    plain = evaluate.knn(train, y, test, classes=5, k=3)
    compiled = jax.jit(lambda *a: evaluate.knn(*a, classes=5, k=3))(train, y, test)
    # A rounding of a cosine is divided by the temperature, 0.07.
    np.testing.assert_allclose(plain, compiled, rtol=1e-5, atol=1e-6)
    half = evaluate.knn(jnp.asarray(train, jnp.bfloat16), y, test, classes=5, k=3)
    assert half.dtype == jnp.float32


def test_neighbours_of_equal_cosine_come_in_the_order_of_the_bank():
    bank = np.asarray([[0.0, 1.0], [2.0, 0.0], [1.0, 0.0]], np.float32)
    cosine, row = evaluate.neighbours(bank, np.asarray([[3.0, 0.0]], np.float32), k=3)
    assert row.tolist() == [[1, 2, 0]]
    np.testing.assert_allclose(cosine, [[1.0, 1.0, 0.0]])


def test_accuracy_counts_ties_for_the_lowest_class():
    scores = np.asarray([[1, 1, 0], [1, 1, 0], [0, 0, 0], [0, 1, 2]], np.float32)
    y = np.asarray([0, 1, 2, 0])
    top = [float(evaluate.accuracy(scores, y, topk=k)) for k in (1, 2, 3)]
    assert top == [25.0, 50.0, 100.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(k=21), "k=21 neighbours of a bank of 20"),
        (dict(k=0), "k must be positive"),
        (dict(temperature=0.0), "temperature must be positive and finite; got 0.0"),
        (dict(classes=4), r"holds 4, but classes=4 allows 0 to 3"),
        (dict(classes=1), "classes must be at least 2"),
        (dict(y=np.full(20, -1)), "holds -1 in 20 of 20 rows: images without a label"),
        (dict(y=np.zeros(19, np.int32)), r"\[20\], one label per row .* \(19,\)"),
        (dict(test=features(2, 3, d=7)), r"same width d.*\(20, 8\).*\(3, 7\)"),
        (dict(test=features(2, 0)), r"n and d of at least 1, got shape \(0, 8\)"),
        (dict(train=features(0, 20)[:, :, None]), r"got shape \(20, 8, 1\)"),
    ],
)
def test_knn_refuses_what_cannot_be_meant(change, message):
    given = dict(train=features(0, 20), y=np.arange(20) % 5, test=features(2, 3))
    given |= dict(classes=5, k=3) | change
    arrays = [given.pop(name) for name in ("train", "y", "test")]
    with pytest.raises(ValueError, match=message):
        evaluate.knn(*arrays, **given)


def test_accuracy_refuses_what_cannot_be_meant():
    scores = features(0, 4, d=3)
    with pytest.raises(ValueError, match="topk=4 of 3 classes"):
        evaluate.accuracy(scores, np.zeros(4, np.int32), topk=4)
    with pytest.raises(ValueError, match="without a label"):
        evaluate.accuracy(scores, np.full(4, -1))
