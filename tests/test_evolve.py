"""The search for weights: it goes on as if it had not stopped; what fitness means."""

import dataclasses
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import evolve
from experiments.evolve import Settings, fitness, search
from sslax.core import State

SETTINGS = Settings(population=4, generations=3)


def score(weights):
    """Best at weights of a quarter."""
    return {"fitness": -float(np.sum((np.asarray(weights) - 0.25) ** 2)), "linear": 1.0}


def found(folder, *, stop=None):
    """Some members of a search in a folder, and how many were scored for it."""
    scored, earlier = [], evolve.opened(folder, SETTINGS)

    def counted(weights):
        scored.append(weights)
        return score(weights)

    file = folder / "archive.jsonl"
    made = itertools.islice(search(SETTINGS, 5, earlier, counted), stop)
    rows = [r if i < len(earlier) else evolve.keep(file, r) for i, r in enumerate(made)]
    return rows, len(scored)


def test_a_search_that_was_killed_ends_as_one_that_was_not(tmp_path):
    whole, _ = found(tmp_path / "whole")
    assert len(whole) == 12
    found(tmp_path / "cut", stop=6)
    with (tmp_path / "cut/archive.jsonl").open("a") as lines:
        lines.write('{"generation": 1, "pla')  # killed while it wrote
    np.random.normal(size=7)  # NumPy's own state is nobody's
    cut, scored = found(tmp_path / "cut")
    assert scored == 6
    assert cut == whole
    lines = (tmp_path / "cut/archive.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == whole


def test_the_search_goes_where_members_are_fitter_and_stays_inside():
    settings = Settings(population=8, generations=15)
    rows = list(search(settings, 5, [], score))
    first, last = rows[:8], rows[-8:]
    assert max(r["fitness"] for r in last) > max(r["fitness"] for r in first)
    assert np.mean([r["fitness"] for r in last]) > -0.2
    weights = np.array([row["weights"] for row in rows])
    assert 0 <= weights.min() <= weights.max() <= 1


def test_other_settings_and_other_members_are_refused(tmp_path):
    rows, _ = found(tmp_path, stop=5)
    evolve.opened(tmp_path, SETTINGS._replace(generations=9))
    with pytest.raises(ValueError, match="a search with population=4, not 5"):
        evolve.opened(tmp_path, SETTINGS._replace(population=5))
    other = search(SETTINGS._replace(seed=1), 5, rows, score)
    with pytest.raises(ValueError, match="member 0 of generation 0 is another"):
        next(other)


def test_fitness_knows_clusters_that_follow_zipf_s_law_at_any_scale(rng):
    places = 10 * rng.normal(size=(8, 6))
    counts = np.round(256 / np.arange(1, 9)).astype(int)
    zipf = np.repeat(places, counts, axis=0)
    alike = np.repeat(places, counts.sum() // 8, axis=0)
    zipf, alike = (x + rng.normal(size=x.shape) for x in (zipf, alike))
    value = fitness(zipf, clusters=8)
    assert value > -0.05
    assert fitness(alike, clusters=8) < value - 0.1
    np.testing.assert_allclose(fitness(100 * zipf + 7, clusters=8), value, atol=1e-3)


def test_collapsed_features_are_less_fit_than_random_ones(rng):
    random = rng.normal(size=(256, 8)) @ rng.normal(size=(8, 16))
    collapsed = np.ones_like(random) + 1e-6 * random
    assert fitness(collapsed, clusters=16) < fitness(random, clusters=16) - 0.05
    assert fitness(np.full((256, 8), np.nan), clusters=16) == evolve.WORST


def test_weights_are_given_to_a_state_as_it_has_them():
    extra = {"stats": {}, "weights": jnp.ones(3)}
    state = State(step=jnp.int32(0), params={}, extra=extra, opt={})
    given = evolve.weighed(state, [0.1, 0.2, 0.3])
    assert jax.typeof(given.extra["weights"]) == jax.typeof(extra["weights"])
    np.testing.assert_allclose(given.extra["weights"], [0.1, 0.2, 0.3], rtol=1e-6)
    assert dataclasses.replace(given, extra=extra) == state
