"""The SGD probe against a slow loop, and its recipes."""

import jax
import numpy as np
import pytest

from sslax import evaluate
from sslax.evaluate import _linear_probe, _rows

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
N, D, CLASSES, BATCH = 20, 5, 3, 8
X = (3.0 * RNG.normal(size=(N, D)) + 1.0).astype(np.float32)
Y = RNG.integers(0, CLASSES, N).astype(np.int32)
TEST = RNG.normal(size=(7, D)).astype(np.float32)


def slow_probe(rates, *, weight_decay, nesterov, batch_norm, init_scale):
    """The probe step by step in numpy, in the order that the probe draws."""
    key_init, key_order = jax.random.split(KEY)
    w = init_scale * np.asarray(jax.random.normal(key_init, (D, CLASSES)), np.float64)
    params = np.concatenate([w, np.zeros((1, CLASSES))])
    buffer, mean, var = 0.0, np.zeros(D), np.ones(D)
    rates = iter(rates)
    for key in jax.random.split(key_order, 3):
        order = np.asarray(jax.random.permutation(key, N))[: N // BATCH * BATCH]
        for rows in order.reshape(-1, BATCH):
            x = X[rows].astype(np.float64)
            if batch_norm:
                m, v = x.mean(0), x.var(0)
                mean, var = 0.9 * mean + 0.1 * m, 0.9 * var + 0.1 * x.var(0, ddof=1)
                x = (x - m) / np.sqrt(v + 1e-6)
            x = np.concatenate([x, np.ones((BATCH, 1))], axis=1)
            p = np.exp(x @ params)
            p = p / p.sum(1, keepdims=True) - np.eye(CLASSES)[Y[rows]]
            g = x.T @ p / BATCH + weight_decay * params
            buffer = 0.9 * buffer + g
            params = params - next(rates) * (g + 0.9 * buffer if nesterov else buffer)
    test = (TEST - mean) / np.sqrt(var + 1e-6) if batch_norm else TEST
    return test @ params[:-1] + params[-1]


def test_sgd_with_milestones_and_decay_is_the_slow_loop():
    # 20 rows in batches of 8: two steps an epoch, four rows passed over.
    rates = [3.0 * BATCH / 256 * r for r in (1, 1, 0.1, 0.1, 0.01, 0.01)]
    expected = slow_probe(
        rates, weight_decay=0.05, nesterov=False, batch_norm=False, init_scale=0.01
    )
    found = evaluate.linear_probe(
        X, Y, TEST, classes=CLASSES, key=KEY, batch_size=BATCH, epochs=3,
        learning_rate=3.0, milestones=(1, 2), weight_decay=0.05,
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_nesterov_with_cosine_and_batch_norm_is_the_slow_loop():
    rates = 3.0 * BATCH / 256 * 0.5 * (1 + np.cos(np.pi * np.arange(6) / 6))
    expected = slow_probe(
        rates, weight_decay=0.0, nesterov=True, batch_norm=True, init_scale=0.0
    )
    found = evaluate.linear_probe(
        X, Y, TEST, classes=CLASSES, key=KEY, batch_size=BATCH, epochs=3,
        learning_rate=3.0, optimizer="nesterov", batch_norm=True, init_scale=0.0,
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_wherever_features_lie_the_probe_is_the_same(monkeypatch):
    setting = dict(classes=CLASSES, key=KEY, batch_size=BATCH, epochs=3)
    whole = evaluate.linear_probe(X, Y, TEST, **setting)
    monkeypatch.setattr(_linear_probe, "_SENT", BATCH * D)  # one step at a time
    monkeypatch.setattr(_rows, "_ALONE", 0)
    shared = evaluate.linear_probe(X, Y, TEST, **setting)  # by rows over 8 devices
    np.testing.assert_allclose(shared, whole, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(_rows, "fits", lambda x, mesh: False)
    found = evaluate.linear_probe(X, Y, TEST, **setting)  # on the host
    np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-6)


def test_rows_are_taken_from_where_they_lie():
    mesh = _rows.mesh_of(jax.local_devices())
    placed = _rows.block(X, 0, 24, mesh)  # three rows on each device, four to fill up
    assert {s.data.shape for s in placed.addressable_shards} == {(3, D)}
    rows = np.array([[19, 0, 7], [3, 3, 12]])
    np.testing.assert_array_equal(_rows.taken(placed, rows, mesh), X[rows])


def test_recipe_of_mae_learns_what_a_line_can_separate():
    y = (X[:, 0] > 1.0).astype(np.int32)
    # The rate of the paper, 0.1 * 16384 / 256, for batches of 10.
    recipe = dict(optimizer="lars", epochs=90, warmup_epochs=10, batch_norm=True)
    recipe |= dict(batch_size=10, learning_rate=0.1 * 16384 / 10)
    scores = evaluate.linear_probe(X, y, X, classes=2, key=KEY, **recipe)
    assert evaluate.accuracy(scores, y) >= 90.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(batch_size=21), "batch_size=21 of 20 training rows; pass 20 or less"),
        (dict(optimizer="adm"), "one of sgd, nesterov, lars, got 'adm'"),
        (dict(milestones=(5,), warmup_epochs=2), "either steps or a warm-up"),
        (dict(learning_rate=0.0), "learning_rate must be positive"),
        (dict(classes=2), "pass classes=3 or more"),
    ],
)
def test_probe_refuses_what_cannot_be_meant(change, message):
    setting = dict(classes=CLASSES, key=KEY, batch_size=BATCH) | change
    with pytest.raises(ValueError, match=message):
        evaluate.linear_probe(X, Y, TEST, **setting)
