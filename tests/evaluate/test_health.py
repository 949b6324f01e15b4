"""Representation health: its limits, and the warnings that say what to try."""

import jax.numpy as jnp
import numpy as np
import pytest

from sslax import evaluate

RNG = np.random.default_rng(0)
SPREAD = RNG.normal(size=(400, 32)).astype(np.float32)


def test_rankme_counts_the_directions():
    orthogonal, _ = np.linalg.qr(SPREAD)
    assert evaluate.rankme(orthogonal) == pytest.approx(32.0, rel=1e-3)
    assert evaluate.rankme(1e-20 * orthogonal) == pytest.approx(32.0, rel=1e-3)
    line = np.outer(SPREAD[:, 0], SPREAD[0])
    assert evaluate.rankme(line) == pytest.approx(1.0, abs=1e-2)
    assert evaluate.rankme(np.zeros((4, 3), np.float32)) == 0.0
    # Two directions, one three times as strong: the definition by hand.
    two = np.diag([3.0, 1.0]).astype(np.float32)
    by_hand = np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert evaluate.rankme(two) == pytest.approx(by_hand, rel=1e-4)
    half = jnp.asarray(two, jnp.bfloat16)
    assert evaluate.rankme(half) == pytest.approx(by_hand, rel=1e-4)


def test_health_of_spread_features():
    numbers = evaluate.health(SPREAD, (SPREAD, SPREAD))
    assert numbers["dimensions"] == 32
    assert numbers["std"] == pytest.approx(1.0, abs=0.02)
    assert numbers["cosine"] == pytest.approx(0.0, abs=0.01)
    assert numbers["alignment"] == pytest.approx(0.0, abs=1e-5)
    assert numbers["dead"] == 0.0
    points = SPREAD / np.linalg.norm(SPREAD, axis=1, keepdims=True)
    distance = 2 - 2 * points @ points.T
    by_hand = np.log(np.exp(-2 * distance[np.triu_indices(400, 1)]).mean())
    assert numbers["uniformity"] == pytest.approx(by_hand, abs=1e-4)
    assert evaluate.collapse_warnings(numbers) == []
    assert "alignment" not in evaluate.health(SPREAD)
    opposite = evaluate.health(SPREAD, (SPREAD, -SPREAD))
    assert opposite["alignment"] == pytest.approx(4.0, rel=1e-5)


@pytest.mark.parametrize(
    ("features", "finding"),
    [
        (1.0 + 1e-3 * SPREAD, "complete collapse"),
        (np.zeros_like(SPREAD), "complete collapse"),
        (np.outer(SPREAD[:, 0], SPREAD[0]), "low rank"),
        (SPREAD * (np.arange(32) < 12), "dead dimensions: 62 % of 32"),
    ],
)
def test_collapse_is_named_with_a_way_out(features, finding):
    found = evaluate.collapse_warnings(evaluate.health(features.astype(np.float32)))
    assert any(sentence.startswith(finding) for sentence in found)
    assert all("Try " in sentence for sentence in found)


def test_advice_is_about_what_the_method_has():
    dead = evaluate.health((1.0 + 1e-4 * SPREAD).astype(np.float32))
    (said,) = evaluate.collapse_warnings(dead)
    assert "teacher" not in said
    assert "predictor" not in said
    assert "negative" not in said
    parts = ("teacher", "predictor")
    (said,) = evaluate.collapse_warnings(dead, parts=parts)
    assert "teacher gets no gradient; that the predictor trains" in said
    line = evaluate.health(np.outer(SPREAD[:, 0], SPREAD[0]))
    (said,) = evaluate.collapse_warnings(line, parts=("mask",))
    assert said.endswith("Try a higher masking ratio or more steps")


def test_what_was_so_before_training_is_no_collapse():
    """MAE's features share a large mean after a few steps, and can still be read."""
    narrow = evaluate.health((1.0 + 0.02 * SPREAD).astype(np.float32))
    assert 0.01 < narrow["std"] < 0.05
    (said,) = evaluate.collapse_warnings(narrow)
    assert said.startswith("narrow features: all images lie close to one direction")
    tighter = {**narrow, "std": 0.006}
    (said,) = evaluate.collapse_warnings(tighter, untrained={**narrow, "std": 0.007})
    assert said.startswith("narrow features, as they were before training")
    (said,) = evaluate.collapse_warnings(tighter, untrained=narrow)
    assert said.startswith("complete collapse")
    line = evaluate.health(np.outer(SPREAD[:, 0], SPREAD[0]))
    (said,) = evaluate.collapse_warnings(line, untrained=line)
    assert said.startswith("low rank, as before training")


def test_health_refuses_what_cannot_be_meant():
    with pytest.raises(ValueError, match="compares images; features has 1 row"):
        evaluate.health(SPREAD[:1])
    with pytest.raises(ValueError, match=r"one shape, got \(400, 32\) and \(9, 32\)"):
        evaluate.health(SPREAD, (SPREAD, SPREAD[:9]))
    broken = SPREAD.copy()
    broken[3, 2] = np.nan
    with pytest.raises(ValueError, match="not finite in 1 of 400 rows"):
        evaluate.health(broken)
