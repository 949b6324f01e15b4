"""Every config, in every variant, from shapes alone at the size that it has.

Nothing is compiled and no array is made: a program is built on the described batch, and
its step, its evaluation views and its outputs are traced.
"""

import importlib
import inspect
import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import calls, methods, models, sharding
from sslax.core import Net
from sslax.plan._options import batch_shapes
from sslax.program import build_program
from tests import alike

CONFIGS = Path(__file__).parent.parent / "configs"
NAMES = sorted(
    p.stem
    for p in CONFIGS.glob("*.py")
    if p.stem not in ("__init__", "common", "recipes")
)


def variants(name):
    """The variants that a config's docstring names in backquotes, and their stages."""
    module = importlib.import_module(f"configs.{name}")
    text = module.__doc__.partition("Variants:")[2]
    found = [*dict.fromkeys(re.findall(r"`(\w+)`", text.partition("\n\n")[0]))] or [
        None
    ]
    if not hasattr(module, "get_stages"):
        return found
    return [f"{v}/{stage}" for v in found for stage in module.get_stages(v)]


CASES = [pytest.param(n, v, id=f"{n}:{v}") for n in NAMES for v in variants(n)]


def made(name, variant):
    module = importlib.import_module(f"configs.{name}")
    if variant is None:
        return module.get_config()
    variant, _, stage = variant.partition("/")
    return module.get_stages(variant)[stage] if stage else module.get_config(variant)


def load(name, variant):
    return load_of(made(name, variant))


def load_of(config):
    text = json.dumps(config.to_dict(), default=lambda reference: reference.get())
    return json.loads(text)


def test_every_method_has_a_config():
    configured = {load(*case.values)["method"]["name"] for case in CASES}
    assert configured == set(methods.__all__)


@pytest.fixture
def quick():
    """A network of 48 blocks takes little longer than one of 12."""
    with alike.blocks_traced_once():
        yield


def program(config):
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    return build_program(config, mesh, batch_shapes(config))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_config_trains_and_evaluates_at_full_size(name, variant):
    """Nets, heads, views and optimizers of the recipe fit each other and the data.

    Of networks that compute in half precision, what is learned, what is minimised and
    what is read are in single precision still.
    """
    config = made(name, variant)
    config.dtype = "bfloat16"
    config = load_of(config)
    built, batch, key = program(config), batch_shapes(config), jax.random.key(0)
    state, metrics = jax.eval_shape(built.train_step, built.shapes, batch, key)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), state) == jax.tree.map(
        lambda x: (x.shape, x.dtype), built.shapes
    )
    types = {p.dtype for p in jax.tree.leaves((state.params, state.opt))}
    assert types <= {np.dtype("float32"), np.dtype("int32")}
    assert {m.shape for m in metrics.values()} == {()}
    assert {m.dtype for m in metrics.values()} <= {np.dtype("float32")}

    def read(state, batch, key):
        seen = built.evaluation_views(key, batch)
        features = built.method.outputs["features"]
        return seen["views"], features(state.params, state.extra, seen, key=key)

    seen, features = jax.eval_shape(read, built.shapes, batch, key)
    assert features.ndim == 2
    assert len(features) == config["batch_size"]
    assert features.dtype == np.float32
    with jax.sharding.use_abstract_mesh(built.mesh.abstract_mesh):  # as in the step
        trained = jax.eval_shape(built.views, key, batch)["views"]
    assert seen[0].shape[1:] == trained[0].shape[1:]


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("mae", "cifar10"),
        ("simclr", "cifar10"),
        ("simmim", "swin_base"),
        ("convmae", "base"),
    ],
)
def test_blocks_that_are_traced_once_have_the_same_state(name, variant):
    config = load(name, variant)
    plain = program(config).shapes
    with alike.blocks_traced_once():
        called = program(config).shapes
    assert jax.tree.structure(called) == jax.tree.structure(plain)
    assert jax.tree.leaves(called) == jax.tree.leaves(plain)


def test_steps_and_rates_follow_the_batch():
    config = made("simclr", "imagenet")
    assert config.steps == 100 * (1_281_167 // 4096)
    assert config.optimizer.learning_rate == pytest.approx(4.8)
    config.batch_size = 256
    assert config.optimizer.learning_rate == pytest.approx(0.3)
    assert config.optimizer.schedule.steps == config.steps == 100 * (1_281_167 // 256)
    config.checkpoint.every = 5
    assert config.steps_per_epoch == 1_281_167 // 256


@pytest.mark.parametrize(
    ("batch_size", "groups"), [(256, 8), (4096, 128), (512, 16), (32, 1), (16, 1)]
)
def test_groups_of_batch_norm_stay_small_at_any_batch(batch_size, groups):
    """At a batch of 4096, eight groups would hold 512 images each, and leak."""
    config = made("moco", "imagenet")
    config.batch_size = batch_size
    assert config.method.encoder.bn_groups == groups


def test_a_run_shorter_than_its_warm_up_is_told_which_field_to_set():
    config = made("simclr", "cifar10")
    config.epochs = 5
    message = r"warm-up of 10 epochs, warmup_epochs.*epochs=5.*--config.warmup_epochs=0"
    with pytest.raises(ValueError, match=message):
        program(load_of(config))
    config.warmup_epochs = 1
    assert config.optimizer.schedule.warmup == config.steps_per_epoch
    assert program(load_of(config)).rates


def test_a_bank_smaller_than_the_data_is_refused_before_the_run():
    config = made("instdisc", "cifar10")
    config.examples = 60_000
    assert config.method.examples == 60_000
    config.method.examples = 50_000
    message = (
        "place for each of 50000 images, and there are 60000; give --config.method"
    )
    with pytest.raises(ValueError, match=message):
        program(load_of(config))


def test_normalising_is_the_last_step_of_training_and_evaluation():
    config = load("demo", None)
    built = program({**config, "batch_size": 2})
    pixels = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 1), np.uint8)
    image, key = jnp.asarray(pixels), jax.random.key(0)
    for plain, final in (
        (built.plain, built.views),
        (built.plain_evaluation, built.evaluation_views),
    ):
        before = plain(key, {"image": image})["views"][0]
        after = final(key, {"image": image})["views"][0]
        assert 0 <= before.min() <= before.max() <= 1
        np.testing.assert_allclose(after, (before - 0.2860) / 0.3530, atol=1e-5)


# Nothing is learned there, and what they say is the target: it is exact.
EXACT = {"beit": ("tokenizer", "decoder"), "deepmim": ("teacher",)}


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_one_field_sets_what_networks_compute_in(name, variant):
    config = made(name, variant)
    config.dtype = "float16"
    found = dtypes(load_of(config)["method"], EXACT.get(name, ()))
    assert set(found) == {"float16"}
    assert not [*undecided(load_of(config)["method"], EXACT.get(name, ()))]


def dtypes(spec, exact=()):
    """Those that a call and the calls within it name."""
    if isinstance(spec, list):
        spec = dict(enumerate(spec))
    if not isinstance(spec, dict):
        return
    for name, value in spec.items():
        if name == "dtype":
            yield value
        elif name not in exact:
            yield from dtypes(value)


def undecided(spec, exact=()):
    """Calls of networks that take a dtype and are given none."""
    if isinstance(spec, list):
        spec = dict(enumerate(spec))
    if not isinstance(spec, dict):
        return
    made = getattr(models, str(spec.get("name")), None)
    if made and "dtype" in inspect.signature(made).parameters and "dtype" not in spec:
        yield spec["name"]
    for name, value in spec.items():
        if name not in exact:
            yield from undecided(value, exact)


def test_compute_may_be_bfloat16_by_config():
    spec = load("demo", None)["method"]["encoder"] | {"dtype": "bfloat16"}
    encoder = calls.build(spec, Net)
    image = np.ones((2, 28, 28, 1), np.float32)
    abstract = jax.eval_shape(encoder.init, jax.random.key(0), image)
    params, stats = jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), abstract)
    assert {p.dtype for p in jax.tree.leaves(params)} == {np.dtype("float32")}
    text = str(jax.make_jaxpr(lambda p: encoder.apply(p, stats, image)[0])(params))
    assert "bf16" in text


def test_every_field_can_be_set():
    """None of the fields that all runs have is of a type that cannot be overridden."""
    config = made("simclr", "cifar10")
    config.data.canvas = 384
    config.normalize = "imagenet"
    for section in (config, config.data, config.checkpoint, config.evaluate):
        for name in section:
            kind = section.get_type(name)
            assert kind is not type(None), f"{name} has no type"
