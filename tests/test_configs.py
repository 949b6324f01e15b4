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
import pytest

from sslax import calls, methods, sharding, step

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
    """A call with its costly numbers made small, recursively."""
    small = {
        "hidden": 8,
        "dim": 4,
        "queue_size": 32,
        "width": 16 if spec.get("name") in ("mae_encoder", "mae_decoder") else None,
        "depth": 1 if spec.get("name") == "mae_decoder" else None,
        "heads": 2,
        "bn_groups": 2,
    }
    out = {}
    for key, value in spec.items():
        if isinstance(value, dict):
            out[key] = shrunk(value)
        elif value is not None and small.get(key) is not None:
            out[key] = small[key]
        else:
            out[key] = value
    name = spec.get("name", "")
    if name.startswith("resnet"):
        out |= {"name": "resnet18", "width": 0.0625}
    if name == "mae_encoder":
        out |= {"width": 16, "depth": 1, "heads": 2}
    return out


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
    method = calls.build(shrunk(config["method"]), "methods")
    views = calls.build(sized(config["views"], size), "views")
    txs = dict.fromkeys(method.objectives, calls.build(config["optimizer"], "optim"))
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    channels = 1 if config["data"]["name"].startswith("fashion") else 3
    pixels = np.random.default_rng(0).integers(
        0, 256, (BATCH, size, size, channels), np.uint8
    )
    batch = {"image": pixels, "index": np.arange(BATCH, dtype=np.int32)}
    rule = calls.build(config["layout"], "sharding")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        init, layout = step.compile_init(method, txs, views, mesh, rule, batch)
        train = step.compile_step(method, txs, views, mesh, layout)
        _, metrics = train(init(batch, jax.random.key(0)), batch, jax.random.key(1))
    finally:
        jax.config.update("jax_disable_most_optimizations", False)
    assert all(np.isfinite(float(v)) for v in metrics.values())


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_config_evaluates_at_the_size_that_it_trains(name, variant):
    config = load(name, variant)
    view = calls.build(config["evaluate"]["view"], "views")
    assert callable(view)
    spec = config["views"]
    trained = spec.get("view") or spec["first"]
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


def test_compute_may_be_bfloat16_by_config():
    config = load("simclr", "cifar10")
    config["method"]["encoder"] |= {"dtype": "bfloat16"}
    spec = shrunk(config["method"])
    encoder = calls.build(spec["encoder"], "models")
    image = np.ones((2, 16, 16, 3), np.float32)
    params, stats = jax.eval_shape(encoder.init, jax.random.key(0), image)
    assert {p.dtype for p in jax.tree.leaves(params)} == {np.dtype("float32")}
    text = str(
        jax.make_jaxpr(lambda p, s, x: encoder.apply(p, s, x)[0])(
            *jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), (params, stats)), image
        )
    )
    assert "bf16" in text
