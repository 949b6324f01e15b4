"""Configs as calls: kinds, nesting, and messages that name the mistake."""

import sys
import types
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import optax
import pytest

from sslax import calls, models, schedules, sharding, views
from sslax.annotations import hints_of
from sslax.calls import build, nearest
from sslax.core import Method, Net
from sslax.kinds import Builder, Mask, View
from sslax.schedules import Schedule

VIEW = {"name": "view", "size": 16}


def test_a_call_is_the_call():
    spec = {"name": "cosine", "start": 1.0, "end": 0.0, "steps": 4}
    assert float(build(spec, Schedule)(2)) == pytest.approx(0.5)


def test_nested_calls_are_made_first():
    spec = {
        "name": "sgd",
        "learning_rate": 0.5,
        "momentum": 0.0,
        "schedule": {"name": "constant", "value": 0.1},
    }
    tx = build(spec, optax.GradientTransformation)
    one = {"w": jnp.ones(())}
    updates, _ = tx.update(one, tx.init(one), one)
    assert float(updates["w"]) == pytest.approx(-0.05)


def test_a_name_of_another_kind_is_not_taken():
    """`ramp` is a schedule, `linear` a network."""
    ramp = build({"name": "ramp", "start": 0.0, "end": 1.0, "steps": 2}, Schedule)
    assert float(ramp(1)) == pytest.approx(0.5)
    assert isinstance(build({"name": "linear", "dim": 3}, Net), Net)
    with pytest.raises(ValueError, match="linear"):
        build({"name": "linear", "dim": 3}, Schedule)


def test_calls_are_made_inside_sequences_and_tuples():
    sgd = {"name": "sgd", "learning_rate": 1.0}
    build(
        {"name": "grouped", "optimizer": sgd, "others": [[["head"], sgd]]},
        optax.GradientTransformation,
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "warm_cosine"}, "did you mean 'warmup_cosine'"),
        ({"name": "cosine", "begin": 1}, "no argument 'begin'.*choices are: end"),
        ({"name": "cosine", "start": 1, "end": 0}, "needs steps"),
        ({"start": 1}, "needs a 'name'.*got the fields"),
        ({"name": 3}, "name of a call is a string; got 3"),
        (
            {"name": "by_epoch", "steps_per_epoch": 1, "schedule": "cosine"},
            "schedule of by_epoch wants a Schedule, dict\\(name=...\\); got 'cosine'",
        ),
        (
            {"name": "cosine", "start": 1.0, "end": 0.0, "steps": 0},
            "steps must be at least 1; got 0",
        ),
        (
            {"name": "constant", "value": {"name": "constant"}},
            "value of constant takes no call; got name='constant'",
        ),
        # Public in sslax.schedules, but nothing that gives a schedule.
        ({"name": "Schedule"}, "there is no 'Schedule'"),
    ],
)
def test_mistakes_are_named(spec, message):
    with pytest.raises(ValueError, match=message):
        build(spec, Schedule)


def test_a_call_of_the_wrong_kind_names_both_kinds():
    spec = {"name": "two_views", "first": {"name": "rotated", "view": VIEW}}
    message = "first of two_views wants a View; rotated gives a Builder.*shifted, view"
    with pytest.raises(ValueError, match=message):
        build(spec, Builder)
    with pytest.raises(ValueError, match="wants a Builder; view gives a View"):
        build(VIEW, Builder)
    with pytest.raises(ValueError, match="wants a View; cosine gives a Schedule"):
        build({"name": "two_views", "first": {"name": "cosine"}}, Builder)


def test_a_public_function_that_gives_nothing_is_not_called(monkeypatch):
    """`sharding.start` joins the processes of a run; a layout of that name ran it."""
    monkeypatch.setattr(sharding, "start", lambda **_: pytest.fail("start was called"))
    message = "no 'start'.*choices are: by_rule, fsdp, replicated"
    with pytest.raises(ValueError, match=message):
        build({"name": "start"}, sharding.Rule)


def test_method_name_typo_suggests_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'simclr'"):
        build({"name": "simclar"}, Method)


def test_what_is_no_kind_is_refused():
    with pytest.raises(ValueError, match=r"no kind of what calls give.*sslax.core:Net"):
        build({"name": "view", "size": 3}, int)


def test_nearest_lists_choices_even_when_nothing_is_near():
    assert nearest("zzz", ["b", "a"]) == "the choices are: a, b"


class Part(NamedTuple):
    """A field that is a call, one that is not, and one with a default."""

    rate: Schedule
    weight: float
    title: str = ""


def my_net(
    *,
    parts: Mapping[str, Schedule],
    one: Part,
    rate: Schedule | float = 0.0,
    nets: Sequence[Net] = (),
) -> Net:
    """Takes calls in all the places where they may stand."""
    total = sum(float(s(0)) for s in parts.values()) + float(one.rate(0)) * one.weight
    total += float(rate(0)) if callable(rate) else rate
    return models.mlp(hidden=int(total) + len(nets), dim=2)


@pytest.fixture
def own(monkeypatch):
    """A module of a user."""
    module = types.ModuleType("cells")
    monkeypatch.setitem(sys.modules, "cells", module)
    module.net = my_net
    module.bare = lambda dim: models.linear(dim=dim)
    module.number = lambda: 3
    return module


def test_users_own_functions_are_named_by_module(own):
    half = {"name": "constant", "value": 0.5}
    spec = {
        "name": "cells:net",
        "parts": {"a": half, "b": half},
        "one": {"rate": half, "weight": 4},
        "rate": half,
        "nets": [{"name": "cells:bare", "dim": 2}],
    }
    assert isinstance(build(spec, Net), Net)
    assert isinstance(build({**spec, "rate": 2.0}, Net), Net)
    assert isinstance(build({**spec, "rate": 2}, Net), Net)
    with pytest.raises(ValueError, match=r"one of cells:net has no argument 'wight'"):
        build({**spec, "one": {"rate": half, "wight": 4}}, Net)
    with pytest.raises(ValueError, match=r"rate of cells:net wants a Schedule; view"):
        build({**spec, "rate": VIEW}, Net)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("cells:nett", Net, "cells has no 'nett': did you mean 'net'"),
        ("no_such_cells:net", Net, "'no_such_cells:net' cannot be imported: No module"),
        ("cells:net", Builder, "wants a Builder; cells:net gives a Net"),
        ("cells:number", Net, "wants a Net; cells:number gave int"),
    ],
)
def test_mistakes_with_own_functions_are_named(own, name, kind, message):
    with pytest.raises(ValueError, match=message):
        build({"name": name}, kind)


def test_functions_of_other_libraries_work():
    tx = build({"name": "optax:sgd", "learning_rate": 1}, optax.GradientTransformation)
    assert isinstance(tx, optax.GradientTransformation)


@pytest.mark.parametrize("kind", [View, Mask, Builder, Schedule, sharding.Rule])
def test_kinds_differ(kind):
    """A kind is told by its type; two equal ones would be one."""
    kinds = [View, Mask, Builder, Schedule, sharding.Rule]
    assert [k for k in kinds if k == kind] == [kind]


@pytest.mark.parametrize("module", [views, schedules])
def test_every_public_function_gives_a_kind(module):
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, types.FunctionType):
            given = hints_of(value)["return"]
            assert calls._kind_of(given) is not None, name
