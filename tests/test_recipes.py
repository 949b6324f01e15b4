"""Every config held to the sheet of its method: what the paper and its code do."""

import inspect
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import calls, losses, methods, models, optim, schedules, views
from sslax.rates import rates
from sslax.schedules import Schedule
from tests import test_configs
from tests.sheets import SHEETS

MODULES = (methods, models, optim, views, schedules)
BN = {"bn_momentum": 0.9, "bn_eps": 1e-5}


def resolved(spec, modules=MODULES):
    """A call with the defaults of its function, nested calls too."""
    if isinstance(spec, (list, tuple)):
        return tuple(resolved(v, modules) for v in spec)
    if not isinstance(spec, Mapping):
        return spec
    spec = {key: resolved(value, modules) for key, value in spec.items()}
    owner = next((m for m in modules if spec.get("name") in m.__all__), None)
    if owner is None:
        return spec
    parameters = inspect.signature(getattr(owner, spec["name"])).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return defaults | spec


def parts(config):
    """The calls of a config that a sheet speaks of, by what they are."""
    found = {k: resolved(config[k]) for k in ("method", "optimizer")}
    # A method and its views may have one name.
    found["views"] = resolved(config["views"], (views, *MODULES))
    inner = [v for v in config["views"].values() if isinstance(v, Mapping)]
    for call in (*inner, config["method"], config["views"]):  # the outer ones count
        found |= {k: resolved(v) for k, v in call.items() if isinstance(v, Mapping)}
        found |= several(call)
    seen = config["evaluate"]["views"]
    found["evaluated"] = resolved(seen.get("view", seen))
    optimizer = found["optimizer"]
    found["optimizer"] = unwrapped(optimizer)
    if "name" not in optimizer:  # one for each objective
        found |= {name: unwrapped(own) for name, own in optimizer.items()}
    for i, (match, other) in enumerate(optimizer.get("others", ())):
        found[f"others/{i}"] = {**unwrapped(other), "match": match}
    return found


def several(call):
    """Calls in a list, as one encoder for each view."""
    lists = {k: v for k, v in call.items() if isinstance(v, (list, tuple))}
    return {
        f"{k}/{i}": resolved(item)
        for k, v in lists.items()
        for i, item in enumerate(v)
        if isinstance(item, Mapping)
    }


def unwrapped(optimizer):
    """What an optimizer comes to with those around it, under the name of the inner."""
    inner = optimizer.get("optimizer")
    return {**optimizer, **unwrapped(inner)} if inner else optimizer


def load(name):
    file, _, variant = name.partition(":")
    return test_configs.load(file, variant)


@pytest.mark.parametrize("name", SHEETS)
def test_a_config_is_what_its_sheet_says(name):
    config, sheet = load(name), dict(SHEETS[name])
    found = parts(config)
    check_rates(config, found, sheet.pop("rate"))
    moving = rates(config["method"]) | rates(config["optimizer"])
    for schedule in sheet.keys() & moving.keys():
        check_course(config, moving[schedule], sheet.pop(schedule))
    for part, wanted in sheet.items():
        if not isinstance(wanted, Mapping):
            assert config[part] == wanted, part
            continue
        for argument, value in wanted.items():
            seen = found[part][argument]
            assert seen == (pytest.approx(value) if _number(value) else value), argument
    for part in found.values():
        if "bn_momentum" in part:
            assert {k: part[k] for k in BN} == BN


def _number(value):
    values = value if isinstance(value, tuple) else (value,)
    return all(isinstance(v, (int, float)) for v in values)


def check_rates(config, found, wanted):
    """A peak and its parts at some epochs, for each of the optimizers."""
    wanted = wanted if isinstance(wanted, Mapping) else {"optimizer": wanted}
    assert {name for name in found if name.startswith("others/")} <= set(wanted)
    for part, (peak, course) in wanted.items():
        assert found[part]["learning_rate"] == pytest.approx(peak)
        call = found[part]["schedule"] or {"name": "constant"}
        check_course(config, calls.build(call, Schedule), course)


def check_course(config, schedule, course):
    """A schedule at some epochs, as parts of its peak."""
    for epoch, value in course.items():
        step = min(round(epoch * config["steps_per_epoch"]), config["steps"])
        assert float(schedule(step)) == pytest.approx(value, abs=2e-3, rel=2e-2), epoch


def test_every_variant_of_a_paper_has_its_sheet():
    """mae:large is base with another size; `sample` and two others are of no paper.

    For stages and configs/finetune.py see test_recipes_supervised.
    """
    named = {":".join(map(str, case.values)) for case in test_configs.CASES}
    own = {name for name in named if name.split(":")[0] in methods.__all__}
    own = {n for n in own if ":sample" not in n and "/" not in n}
    assert own - set(SHEETS) <= {"mae:large", "cpc:rows", "evolving:search"}


@pytest.mark.parametrize(("kind", "fan"), [("lecun", 3 * 49), ("he_fan_out", 64 * 49)])
def test_convolutions_start_with_the_deviation_of_their_kind(kind, fan):
    net = models.resnet18(conv_init=kind, width=1)
    image = jnp.zeros((1, 32, 32, 3))
    # Only the first convolution is made.
    first = jax.jit(lambda key: net.init(key, image)[0]["conv1"])(jax.random.key(0))
    kernel = max(jax.tree.leaves(first), key=np.ndim)
    gain = {"lecun": 1.0, "he_fan_out": 2.0}[kind]
    assert float(kernel.std()) == pytest.approx((gain / fan) ** 0.5, rel=0.05)


def test_cpc_skips_the_rows_that_its_patches_share():
    """Patches of 80 pixels every 36 overlap two rows down: 80 > 2 * 36."""
    assert inspect.signature(losses.cpc_v2).parameters["first"].default == 2
