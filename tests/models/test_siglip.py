"""SigLIP's towers; tests/goldens holds their numbers against timm and open_clip."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import models
from tests.models.drawn import drawn

KEY = jax.random.key(0)
TEXT = {"dim": 6, "words": 20, "context": 8, "width": 16, "depth": 2, "heads": 2}
VIT = {"width": 16, "depth": 2, "heads": 2, "patch_size": 4, "pool": "map"}


def linear(p, x):
    return np.asarray(x) @ np.asarray(p["kernel"]) + np.asarray(p["bias"])


def test_words_see_all_words_and_the_last_token_is_read():
    net = models.siglip_text(**TEXT, output=("tokens", "pooled", "attention0"))
    text = jnp.array([[18, 3, 4, 1, 1, 1], [18, 3, 7, 5, 6, 19]])
    params, _ = drawn(net, text)
    apply = jax.jit(lambda text: net.apply(params, {}, text)[0])
    out, later = apply(text), apply(text.at[:, 4].set(8))
    assert np.abs(out["tokens"][:, 0] - later["tokens"][:, 0]).min() > 0
    assert np.asarray(out["attention0"]).min() > 0
    want = linear(params["projection"], out["tokens"][:, -1])
    np.testing.assert_allclose(out["pooled"], want, rtol=1e-5, atol=1e-5)
    longer = jnp.zeros((1, 9), jnp.int32)
    with pytest.raises(ValueError, match="9 tokens; this net has a context of 8"):
        jax.eval_shape(net.init, KEY, longer)
    with pytest.raises(ValueError, match="7 heads do not divide"):
        models.siglip_text(heads=7)


def test_a_probe_pools_what_it_looks_at(rng):
    """How much it looks at each patch is the output "attention"."""
    net = models.vit(**VIT, class_token=False, output=("pooled", "tokens", "attention"))
    image = jnp.asarray(rng.normal(size=(2, 8, 12, 3)), jnp.float32)
    params, _ = drawn(net, image)
    out, _ = jax.jit(net.apply)(params, {}, image)
    p = params["pool"]
    q = linear(p["q"], p["probe"]).reshape(2, 8)
    kv = linear(p["kv"], out["tokens"]).reshape(2, 6, 2, 2, 8)
    k, v = np.moveaxis(kv, 2, 0)
    logits = np.einsum("hd,bnhd->bhn", q, k) / np.sqrt(8)
    weights = np.exp(logits)
    weights /= weights.sum(-1, keepdims=True)
    look = out["attention"].reshape(2, 2, 6)
    np.testing.assert_allclose(look, weights, rtol=1e-4)
    x = np.einsum("bhn,bnhd->bhd", weights, v).reshape(2, 16)
    x = linear(p["proj"], x)
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    y = y * np.asarray(p["norm"]["scale"]) + np.asarray(p["norm"]["bias"])
    want = x + linear(p["fc2"], jax.nn.gelu(linear(p["fc1"], y), approximate=False))
    np.testing.assert_allclose(out["pooled"], want, rtol=1e-4, atol=1e-5)


def test_a_probe_looks_at_the_patches_that_are_kept_in_any_order(rng):
    net = models.vit(**VIT, output=("pooled", "attention"))
    image = jnp.asarray(rng.normal(size=(1, 8, 8, 3)), jnp.float32)
    params, _ = drawn(net, image)
    apply = jax.jit(lambda *given: net.apply(params, {}, *given)[0])
    whole = apply(image)
    assert whole["attention"].shape == (1, 2, 2, 2)
    assert whole["attention"].sum() < 2  # the rest goes to the class token
    kept = apply(image, jnp.array([[2, 0, 3, 1]]))
    assert kept.keys() == {"pooled"}
    np.testing.assert_allclose(kept["pooled"], whole["pooled"], rtol=1e-4, atol=1e-5)
    half = apply(image, jnp.array([[2, 0]]))
    assert np.abs(half["pooled"] - whole["pooled"]).max() > 1e-3


def test_towers_start_as_big_vision_starts_them():
    """Deviations of its Flax layers: Xavier, LeCun, 1/sqrt(width)."""
    size, width = {"width": 96, "depth": 1, "heads": 2}, 96
    init = {"init": "big_vision", "activation": "gelu_tanh"}
    net = models.vit(**VIT | size, **init, class_token=False)
    key = jax.random.key(0, impl="unsafe_rbg")
    image, _ = jax.jit(net.init)(key, jnp.zeros((1, 64, 64, 3)))
    net = models.siglip_text(**TEXT | size | {"dim": 80, "words": 500, "context": 64})
    text, _ = jax.jit(net.init)(key, jnp.zeros((1, 64), jnp.int32))
    square, wide = (2 / (2 * width)) ** 0.5, (2 / (5 * width)) ** 0.5
    for part, kernels in (
        (image["pool"], {"q": square, "kv": square, "proj": square}),
        (image["pool"], {"fc1": wide, "fc2": wide}),
        (image["blocks_0"]["attn"], {"qkv": square, "proj": square}),
        (text["blocks_0"]["attn"], {"qkv": square, "proj": square}),
        (text["blocks_0"], {"fc1": wide, "fc2": wide}),
        (image, {"patch_embed": (3 * 4 * 4) ** -0.5}),
        (text, {"projection": width**-0.5}),
    ):
        for name, want in kernels.items():
            got = part[name]["kernel"].std()
            np.testing.assert_allclose(got, want, rtol=0.05, err_msg=name)
    for table in (image["pos_embed"], text["pos_embed"], text["token_embed"]):
        np.testing.assert_allclose(table.std(), width**-0.5, rtol=0.05)
    probe = image["pool"]["probe"]
    assert 0.5 < jnp.abs(probe).max() / (6 / (1 + width)) ** 0.5 <= 1
    net = models.vit(**VIT, **init)
    params, _ = net.init(KEY, jnp.zeros((1, 4, 4, 3)))
    assert not params["cls_token"].any()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="activation must be one of 'gelu', 'gelu_t"):
        models.vit(activation="relu")
    with pytest.raises(ValueError, match="pool must be one of 'cls', 'mean', 'map'"):
        models.vit(pool="probe")
    with pytest.raises(ValueError, match="use pool='mean' or 'map'"):
        models.vit(class_token=False)
