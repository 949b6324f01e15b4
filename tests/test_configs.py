"""Every config, in every variant, builds and takes one step at toy size.

What is shrunk is what costs time: sizes of images and nets, the batch, the queue. The
calls, their names and all other arguments are the config's own.
"""

import importlib
import json
import re
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

from sslax import calls, methods, sharding, step
from sslax.core import Method, Net
from sslax.kinds import Builder

CONFIGS = Path(__file__).parent.parent / "configs"
NAMES = sorted(
    p.stem for p in CONFIGS.glob("*.py") if p.stem not in ("__init__", "common")
)
BATCH = 16


def variants(name):
    """The variants that a config's docstring names in backquotes."""
    module = importlib.import_module(f"configs.{name}")
    line = re.search(r"Variants:(.*?)\n\n", module.__doc__, re.DOTALL)
    return re.findall(r"`(\w+)`", line[1]) if line else [None]


CASES = [pytest.param(n, v, id=f"{n}:{v}") for n in NAMES for v in variants(n)]


def load(name, variant):
    get_config = importlib.import_module(f"configs.{name}").get_config
    config = get_config() if variant is None else get_config(variant)
    return json.loads(json.dumps(config.to_dict()))


def shrunk(spec):
    """A call with its costly numbers made small, recursively, and nets replaced."""
    name = spec.get("name", "")
    if name.startswith(("resnet", "nin", "convnet")):
        kept = {"dtype": spec["dtype"]} if "dtype" in spec else {}
        groups = {"bn_groups": 2} if "bn_groups" in spec else {}
        return {"name": "convnet", "widths": (4, 8), **kept, **groups}
    small = {"hidden": 8, "dim": 4, "queue_size": 32}
    if name == "mae_decoder":
        small |= {"width": 16, "depth": 1, "heads": 2}
    out = {k: shrunk(v) if isinstance(v, dict) else v for k, v in spec.items()}
    replaced = {k: v for k, v in small.items() if spec.get(k) is not None}
    if name == "mae_encoder":  # its size is a word, which these numbers replace
        replaced = {"width": 16, "depth": 1, "heads": 2}
    return out | replaced


def sized(spec, size):
    """Views of a smaller image, a multiple of the patch."""
    return {
        k: sized(v, size) if isinstance(v, dict) else (size if k == "size" else v)
        for k, v in spec.items()
    }


def image_size(config):
    return 2 * config["method"].get("patch_size", 8)


def test_every_method_has_a_config():
    assert set(methods.__all__) <= set(NAMES)


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_config_takes_a_step(name, variant):
    config = load(name, variant)
    size = image_size(config)
    method = calls.build(shrunk(config["method"]), Method)
    views = calls.build(sized(config["views"], size), Builder)
    txs = dict.fromkeys(
        method.objectives,
        calls.build(config["optimizer"], optax.GradientTransformation),
    )
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    channels = 1 if config["data"]["train"].startswith("fashion") else 3
    pixels = np.random.default_rng(0).integers(
        0, 256, (BATCH, size, size, channels), np.uint8
    )
    batch = {"image": pixels, "index": np.arange(BATCH, dtype=np.int32)}
    rule = calls.build(config["layout"], sharding.Rule)
    init, layout = step.compile_init(method, txs, views, mesh, rule, batch)
    train = step.compile_step(method, txs, views, mesh, layout)
    _, metrics = train(init(batch, jax.random.key(0)), batch, jax.random.key(1))
    assert all(np.isfinite(float(v)) for v in metrics.values())


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_config_evaluates_at_the_size_that_it_trains(name, variant):
    config = load(name, variant)
    view = calls.build(config["evaluate"]["view"], Builder)
    assert callable(view)
    spec = config["views"]
    trained = spec.get("view") or spec["first"]
    if trained["name"] != "shifted":  # which keeps the size of the image
        assert config["evaluate"]["view"]["size"] == trained["size"]
    assert config["evaluate"]["view"].get("normalize") == trained.get("normalize")


def test_steps_and_rates_follow_the_batch():
    config = importlib.import_module("configs.simclr").get_config("imagenet")
    assert config.steps == 100 * (1_281_167 // 4096)
    assert config.optimizer.learning_rate == pytest.approx(4.8)
    config.batch_size = 256
    assert config.optimizer.learning_rate == pytest.approx(0.3)
    assert config.optimizer.schedule.steps == config.steps == 100 * (1_281_167 // 256)
    config.checkpoint.every = 5
    assert config.steps_per_epoch == 1_281_167 // 256


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_config_initialises_at_full_size(name, variant):
    """From shapes alone: the nets, heads and views of the recipe fit each other."""
    config = load(name, variant)
    method = calls.build(config["method"], Method)
    views = calls.build(config["views"], Builder)
    tx = calls.build(config["optimizer"], optax.GradientTransformation)
    channels = 1 if config["data"]["train"].startswith("fashion") else 3
    size = config["evaluate"]["view"]["size"]
    batch = {"image": jax.ShapeDtypeStruct((16, size, size, channels), np.uint8)}
    state = jax.eval_shape(
        lambda b, k: step.init_state(method, {"ssl": tx}, views, b, k),
        batch,
        jax.random.key(0),
    )
    types = {p.dtype for p in jax.tree.leaves((state.params, state.opt))}
    assert types <= {np.dtype("float32"), np.dtype("int32")}


def test_compute_may_be_bfloat16_by_config():
    config = load("simclr", "cifar10")
    spec = shrunk(config["method"])["encoder"] | {"dtype": "bfloat16"}
    encoder = calls.build(spec, Net)
    image = np.ones((2, 16, 16, 3), np.float32)
    shapes = jax.eval_shape(encoder.init, jax.random.key(0), image)
    params, stats = jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), shapes)
    assert {p.dtype for p in jax.tree.leaves(params)} == {np.dtype("float32")}
    text = str(jax.make_jaxpr(lambda p: encoder.apply(p, stats, image)[0])(params))
    assert "bf16" in text
