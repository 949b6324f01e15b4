"""Pooled features, the map and attention, from one pass of one net."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import models
from sslax.models._swin_block import received, to_windows
from tests.models.drawn import drawn

IMAGE = (2, 16, 24, 3)
VIT = {"width": 8, "depth": 2, "heads": 2, "patch_size": 8}
SWIN = {"width": 8, "depths": (2, 2), "heads": (2, 4), "window_size": 2}
CONVMAE = {"widths": (4, 4, 8), "depths": (1, 1, 2), "heads": 2, "strides": (4, 2, 1)}

# Name: (factory, options, map, heads of the last block or None).
NETS = {
    "vit": (models.vit, VIT, (2, 3, 8), 2),
    "vit_mean": (
        models.vit,
        {**VIT, "class_token": False, "pool": "mean"},
        (2, 3, 8),
        2,
    ),
    "vit_map": (
        models.vit,
        {**VIT, "class_token": False, "pool": "map"},
        (2, 3, 8),
        2,
    ),
    "mae_encoder": (models.mae_encoder, VIT, (2, 3, 8), 2),
    "convmae_encoder": (models.convmae_encoder, CONVMAE, (2, 3, 8), 2),
    "clip_vit": (models.clip_vit, {**VIT, "dim": 5}, (2, 3, 5), 2),
    "swin": (models.swin, {**SWIN, "patch_size": 2}, (4, 6, 16), 4),
    "resnet": (models.resnet, {"depth": 18, "width": 0.0625}, (1, 1, 32), None),
    "convnet": (models.convnet, {"widths": (4, 8)}, (8, 12, 8), None),
    "nin": (models.nin, {}, (4, 6, 192), None),
}


@pytest.mark.parametrize("name", NETS)
def test_pooled_map_and_attention_come_from_one_pass(name):
    make, options, shape, heads = NETS[name]
    names = ("pooled", "map", *(("attention",) if heads else ()))
    net, x = make(**options, output=names), jnp.zeros(IMAGE)
    params, stats = jax.eval_shape(net.init, jax.random.key(0), x)
    out, _ = jax.eval_shape(net.apply, params, stats, x)
    assert set(out) == set(names)
    assert out["map"].shape == (2, *shape)
    assert out["pooled"].shape == (2, shape[-1])
    if heads:
        assert out["attention"].shape == (2, heads, *shape[:2])


@pytest.mark.parametrize("name", ["vit", "vit_mean"])
def test_map_and_attention_are_the_tokens_on_their_grid(name):
    make, options, shape, _ = NETS[name]
    names = ("tokens", "map", "attention", "attention1")
    net = make(**options, output=names)
    x = jnp.asarray(np.random.default_rng(0).normal(size=IMAGE), jnp.float32)
    out, _ = jax.jit(net.apply)(*drawn(net, x), x)
    first = 1 if name == "vit" else 0
    tokens = np.asarray(out["tokens"])[:, first:].reshape(2, *shape)
    np.testing.assert_array_equal(out["map"], tokens)
    weights = np.asarray(out["attention1"])
    row = weights[:, :, 0, 1:] if first else weights.mean(axis=2)
    np.testing.assert_allclose(out["attention"].reshape(2, 2, 6), row, rtol=1e-6)


def test_patches_that_are_left_out_have_no_grid():
    net = models.mae_encoder(**VIT, output="map")
    with pytest.raises(ValueError, match="output 'map' is unknown"):
        jax.eval_shape(
            net.init, jax.random.key(0), jnp.zeros(IMAGE), jnp.zeros((2, 1), int)
        )


@pytest.mark.parametrize("shift", [0, 1])
def test_what_a_window_looks_at_is_put_back_on_the_grid(shift):
    """All queries of every window look at its third place."""
    grid, window = (4, 6), 2
    places = jnp.arange(24.0).reshape(1, *grid, 1)
    windows = to_windows(jnp.roll(places, (-shift, -shift), axis=(1, 2)), window)
    weights = jnp.zeros((1, windows.shape[1], 1, 4, 4)).at[..., 2].set(1.0)
    seen = received(weights, grid, window, shift)
    assert seen.shape == (1, 1, *grid)
    wanted = sorted(windows[0, :, 2, 0].tolist())
    assert sorted(places[0, ..., 0][seen[0, 0] > 0].tolist()) == wanted
