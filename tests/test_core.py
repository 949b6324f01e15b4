"""Folding of views, chains of nets, the state as a pytree, a light import."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax.core import Net, State
from sslax.nets import (
    by_size,
    chain,
    each,
    features_of,
    fold,
    project_crops,
    readings,
    unfold,
)


def scale_by(name_key):
    """A net that multiplies by a parameter and counts its training calls."""

    def init(key, x):
        return {"w": jax.random.normal(key, ())}, {"calls": jnp.zeros([], jnp.int32)}

    def apply(params, stats, x, *, train=False, key=None):
        return params["w"] * x, {"calls": stats["calls"] + train}

    return Net(init, apply)


def test_fold_keeps_the_views_of_an_image_together():
    a, b = jnp.arange(3.0)[:, None], 10 + jnp.arange(3.0)[:, None]
    assert fold((a, b))[:, 0].tolist() == [0, 10, 1, 11, 2, 12]
    for given, back in zip((a, b), unfold(fold((a, b)), 2), strict=True):
        np.testing.assert_array_equal(given, back)


def test_chain_names_every_output_and_gives_each_net_its_own_key():
    net = chain(first=scale_by(0), second=scale_by(1))
    params, stats = net.init(jax.random.key(0), jnp.ones(2))
    assert params["first"]["w"] != params["second"]["w"]
    out, new = net.apply(params, stats, jnp.ones(2), train=True)
    np.testing.assert_allclose(out["first"], params["first"]["w"] * jnp.ones(2))
    product = params["first"]["w"] * params["second"]["w"]
    np.testing.assert_allclose(out["second"], product * jnp.ones(2))
    assert (new["first"]["calls"], new["second"]["calls"]) == (1, 1)
    features = features_of(net, "first")
    seen = {"views": (jnp.ones(2), jnp.zeros(2))}
    read = features(params, {"stats": stats}, seen, key=None)
    np.testing.assert_allclose(read, out["first"])


def several():
    """A net of three outputs by name; the main one is not the first of the alphabet."""

    def apply(params, stats, x, *, train=False, key=None):
        return {"attention": 4 * x, "map": 3 * x, "pooled": 2 * x}, stats

    return Net(lambda key, x: ({}, {}), apply, ("pooled", "map", "attention"))


def test_a_chain_hands_the_main_output_on_and_the_others_can_be_read():
    encoder = several()
    net = chain(encoder=encoder, head=scale_by(0))
    params, stats = net.init(jax.random.key(0), jnp.ones(2))
    out, _ = net.apply(params, stats, jnp.ones(2))
    np.testing.assert_allclose(out["head"], 2 * params["head"]["w"] * jnp.ones(2))
    read, seen = readings(net, "encoder", encoder), {"views": (jnp.ones(2),)}
    found = {k: f(params, {"stats": stats}, seen, key=None)[0] for k, f in read.items()}
    assert found == {"features": 2.0, "map": 3.0, "attention": 4.0}
    plain = scale_by(0)
    assert list(readings(chain(encoder=plain), "encoder", plain)) == ["features"]


def test_a_net_of_a_chain_may_read_what_another_has_given():
    reads = {"dense": ("encoder", "map"), "head": ("encoder", None)}
    parts = {"dense": scale_by(0), "next": scale_by(0), "head": scale_by(0)}
    net = chain(encoder=several(), **parts, reads=reads)
    params, stats = net.init(jax.random.key(0), jnp.ones(2))
    out, _ = net.apply(params, stats, jnp.ones(2))
    weights = {name: params[name]["w"] for name in parts}
    np.testing.assert_allclose(out["dense"], 3 * weights["dense"])
    np.testing.assert_allclose(out["next"], 3 * weights["dense"] * weights["next"])
    np.testing.assert_allclose(out["head"], 2 * weights["head"])
    with pytest.raises(ValueError, match=r"the head reads 'tokens' of the encoder"):
        chain(
            encoder=several(), head=scale_by(0), reads={"head": ("encoder", "tokens")}
        )


def sum_of_batch():
    """A net whose output is centred on its batch, as batch norm would."""

    def init(key, x):
        return {}, {"passes": jnp.zeros([], jnp.int32)}

    def apply(params, stats, x, *, train=False, key=None):
        return {"out": x - x.mean(axis=0, keepdims=True)}, {
            "passes": stats["passes"] + 1
        }

    return Net(init, apply)


def test_each_passes_one_view_after_the_other():
    views, net = (jnp.arange(4.0), 10 + jnp.arange(4.0) ** 2), sum_of_batch()
    outs, stats = each(net, {}, {"passes": 0}, views, key=jax.random.key(0))
    for out, view in zip(outs, views, strict=True):
        np.testing.assert_allclose(out["out"], view - view.mean())
    assert stats["passes"] == 2


def test_by_size_passes_neighbours_of_one_size_together():
    large = [jnp.full((2, 4), float(i)) for i in (0, 2)]
    small = [jnp.full((2, 3), float(i)) for i in (1, 2, 6)]
    outs, stats = by_size(
        sum_of_batch(), {}, {"passes": 0}, large + small, key=jax.random.key(0)
    )
    values = [float(out["out"][0, 0]) for out in outs]
    assert values == [-1.0, 1.0, -2.0, -1.0, 3.0]
    assert [out["out"].shape for out in outs] == [(2, 4)] * 2 + [(2, 3)] * 3
    assert stats["passes"] == 2


def test_crops_pass_the_encoder_by_size_and_the_head_together():
    views = [jnp.full((2, n), float(i)) for i, n in enumerate((4, 4, 3))]

    def apply(params, stats, x, *, train=False, key=None):
        assert (train, key) == (True, None)
        return x.mean(axis=-1, keepdims=True), {"passes": stats["passes"] + 1}

    encoder, stats = Net(lambda key, x: ({}, {}), apply), {"passes": 0}
    out, stats = project_crops(
        encoder,
        sum_of_batch(),
        {"encoder": {}, "head": {}},
        {"encoder": stats, "head": stats},
        views,
        key=None,
    )
    assert out["out"].shape == (3, 2, 1)
    assert out["out"][:, 0, 0].tolist() == [-1.0, 0.0, 1.0]
    assert stats == {"encoder": {"passes": 2}, "head": {"passes": 1}}


def test_state_is_a_pytree():
    state = State(step=jnp.int32(3), params={"a": 1.0}, extra={}, opt={"b": 2.0})
    assert jax.tree.map(lambda x: x + 1, state).opt == {"b": 3.0}


def test_import_is_light():
    """What the import adds to JAX is Python only: nothing heavy is loaded with it."""
    code = (
        "import sys, jax; before = set(sys.modules); import sslax; "
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(out.stdout.split())
    assert "sslax" in loaded
    heavy = {"flax", "optax", "orbax", "tensorflow_datasets", "grain", "sklearn"}
    assert not loaded & heavy
