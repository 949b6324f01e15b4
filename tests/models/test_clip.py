"""CLIP's transformers, SwAV's head, BEiT's initialisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from sslax import models
from sslax.models._transformer import INITS
from tests.models.drawn import drawn

KEY = jax.random.key(0)
TEXT = {"dim": 6, "words": 20, "context": 8, "width": 16, "depth": 2, "heads": 2}


def test_words_see_only_earlier_words_and_the_end_token_is_read():
    net = models.clip_text(**TEXT, output=("tokens", "pooled", "attention1"))
    text = jnp.array([[18, 3, 4, 19, 0, 0], [18, 3, 7, 5, 6, 19]])
    params, _ = drawn(net, text)
    apply = jax.jit(lambda text: net.apply(params, {}, text)[0])
    out = apply(text)
    later = apply(text.at[:, 4:].set(jnp.array([[1, 2], [8, 19]])))
    np.testing.assert_array_equal(out["tokens"][:, :4], later["tokens"][:, :4])
    np.testing.assert_array_equal(out["pooled"][0], later["pooled"][0])
    assert not np.allclose(out["pooled"][1], later["pooled"][1], atol=1e-3)
    ends = out["tokens"][jnp.arange(2), jnp.array([3, 5])]
    np.testing.assert_allclose(
        out["pooled"], ends @ params["projection"]["kernel"], rtol=1e-4, atol=1e-5
    )
    assert not np.triu(np.asarray(out["attention1"]), 1).any()
    longer = jnp.zeros((1, 9), jnp.int32)
    with pytest.raises(ValueError, match="9 tokens; this net has a context of 8"):
        jax.eval_shape(net.init, KEY, longer)


def layer_norm(p, x):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x * p["scale"] + p["bias"]


def linear(p, x):
    return x @ p["kernel"] + p.get("bias", 0.0)


GELUS = {
    "quick_gelu": lambda y: y / (1 + np.exp(-1.702 * y)),
    "gelu": lambda y: y * special.ndtr(y),
}


def run_block(p, x, heads, causal, gelu):
    """A residual attention block of CLIP, written from its description."""
    b, n, width = x.shape
    qkv = linear(p["attn"]["qkv"], layer_norm(p["norm1"], x))
    q, k, v = np.moveaxis(qkv.reshape(b, n, 3, heads, -1), (2, 3), (0, 2))
    logits = q @ k.swapaxes(-1, -2) / np.sqrt(width // heads)
    if causal:
        logits = np.where(np.tri(n, dtype=bool), logits, -np.inf)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights = weights / weights.sum(-1, keepdims=True)
    out = (weights @ v).swapaxes(1, 2).reshape(b, n, width)
    x = x + linear(p["attn"]["proj"], out)
    y = linear(p["fc1"], layer_norm(p["norm2"], x))
    return x + linear(p["fc2"], gelu(y))


@pytest.mark.parametrize("activation", GELUS)
def test_towers_follow_their_description(rng, activation):
    text = rng.integers(0, 20, (2, 5))
    own = {} if activation == "quick_gelu" else {"activation": activation}
    gelu = GELUS[activation]
    net = models.clip_text(**{**TEXT, "depth": 1}, **own)
    params, _ = drawn(net, jnp.asarray(text))
    p = jax.tree.map(np.asarray, params)
    x = p["token_embed"][text] + p["pos_embed"][0, :5]
    x = layer_norm(p["norm"], run_block(p["blocks_0"], x, 2, True, gelu))
    want = linear(p["projection"], x[np.arange(2), text.argmax(1)])
    got, _ = jax.jit(net.apply)(params, {}, jnp.asarray(text))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)

    image = rng.normal(size=(1, 8, 8, 3)).astype(np.float32)
    net = models.clip_vit(dim=6, width=16, depth=1, heads=2, patch_size=4, **own)
    params, _ = drawn(net, jnp.asarray(image))
    p = jax.tree.map(np.asarray, params)
    patches = image.reshape(1, 2, 4, 2, 4, 3).transpose(0, 1, 3, 2, 4, 5)
    x = patches.reshape(1, 4, -1) @ p["patch_embed"]["kernel"].reshape(-1, 16)
    x = np.concatenate([p["cls_token"], x], axis=1) + p["pos_embed"]
    x = run_block(p["blocks_0"], layer_norm(p["norm_pre"], x), 2, False, gelu)
    want = linear(p["projection"], layer_norm(p["norm"], x))
    got, _ = jax.jit(net.apply)(params, {}, jnp.asarray(image))
    np.testing.assert_allclose(got, want[:, 0], rtol=1e-4, atol=1e-5)


def test_image_tower_resizes_its_positions():
    net = models.clip_vit(dim=6, width=16, depth=1, heads=2, patch_size=4)
    image = jnp.zeros((1, 16, 16, 3))
    params, _ = jax.eval_shape(net.init, KEY, image)
    out, _ = jax.eval_shape(net.apply, params, {}, jnp.zeros((1, 8, 24, 3)))
    assert out.shape == (1, 6)
    with pytest.raises(ValueError, match="nearest sizes"):
        jax.eval_shape(net.init, KEY, jnp.zeros((1, 10, 16, 3)))
    for make in (models.clip_text, models.clip_vit):
        with pytest.raises(ValueError, match="7 heads do not divide"):
            make(heads=7)
        with pytest.raises(ValueError, match=r"activation must .* got .relu."):
            make(activation="relu")


def test_swav_scores_are_cosines_and_lengths_are_projected():
    net = models.swav_head(hidden=8, dim=4, prototypes=5)
    x = jax.random.normal(KEY, (6, 3))
    start, _ = net.init(KEY, x)
    kernel = start["prototypes"]["kernel"]
    np.testing.assert_allclose(jnp.square(kernel).sum(0), 1.0, rtol=1e-5)
    params, stats = drawn(net, x)
    assert not np.allclose(jnp.square(params["prototypes"]["kernel"]).sum(0), 1.0)
    unit = models.unit_prototypes(params)
    assert unit["projector"] is params["projector"]
    (z, scores), new = net.apply(unit, stats, x, train=True)
    np.testing.assert_allclose(jnp.square(z).sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(scores, z @ unit["prototypes"]["kernel"], atol=1e-5)
    assert np.abs(scores).max() <= 1.0 + 1e-5
    assert jax.tree.structure(new) == jax.tree.structure(stats)
    zeros = {"prototypes": {"kernel": jnp.zeros((4, 5))}}
    assert not models.unit_prototypes(zeros)["prototypes"]["kernel"].any()
    with pytest.raises(ValueError, match="depth is 0"):
        models.swav_head(depth=0)


def test_beits_initialisation_shrinks_with_depth():
    net = models.vit(width=48, depth=3, heads=3, patch_size=4, init="beit", scan=True)
    key = jax.random.key(0, impl="unsafe_rbg")
    params, _ = jax.jit(net.init)(key, jnp.zeros((1, 8, 8, 3)))
    (stacked,) = (params[name]["block"] for name in params if "Scan" in name)
    cut = 0.02 * 0.5396  # the deviation of a normal cut at +-1
    for i in range(3):
        want = cut / np.sqrt(2 * (i + 1))
        for layer in (stacked["fc2"], stacked["attn"]["proj"]):
            np.testing.assert_allclose(layer["kernel"][i].std(), want, rtol=0.05)
        alone = INITS["beit"].end_of(i)(KEY, (100, 100))
        np.testing.assert_allclose(alone.std(), want, rtol=0.05)
        fc1 = stacked["fc1"]["kernel"][i]
        assert jnp.abs(fc1).max() <= 0.02
        np.testing.assert_allclose(fc1.std(), cut, rtol=0.05)
