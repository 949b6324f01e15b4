"""Configs as calls: nesting, and messages that name the mistake."""

import jax.numpy as jnp
import pytest

from sslax.calls import build, nearest


def test_a_call_is_the_call():
    schedule = build(
        {"name": "cosine", "start": 1.0, "end": 0.0, "steps": 4}, "schedules"
    )
    assert float(schedule(2)) == pytest.approx(0.5)


def test_nested_calls_are_made_first():
    spec = {
        "name": "sgd",
        "learning_rate": 0.5,
        "momentum": 0.0,
        "schedule": {"name": "constant", "value": 0.1},
    }
    tx = build(spec, "optim")
    one = {"w": jnp.ones(())}
    updates, _ = tx.update(one, tx.init(one), one)
    assert float(updates["w"]) == pytest.approx(-0.05)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "warm_cosine"}, "did you mean 'warmup_cosine'"),
        ({"name": "cosine", "begin": 1}, "no argument 'begin'.*choices are: end"),
        ({"name": "cosine", "start": 1, "end": 0}, "needs steps"),
        ({"start": 1}, "needs a 'name'.*got the fields"),
        (
            {"name": "cosine", "start": 1.0, "end": 0.0, "steps": 0},
            "steps must be at least 1; got 0",
        ),
    ],
)
def test_mistakes_are_named(spec, message):
    with pytest.raises(ValueError, match=message):
        build(spec, "schedules")


def test_method_name_typo_suggests_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'simclr'"):
        build({"name": "simclar"}, "methods")


def test_nearest_lists_choices_even_when_nothing_is_near():
    assert nearest("zzz", ["b", "a"]) == "the choices are: a, b"
