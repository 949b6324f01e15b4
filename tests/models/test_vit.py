"""Vision transformers, positions, MAE."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import models, optim
from tests.models.drawn import drawn

KEY = jax.random.key(0)
TOY = {"width": 24, "depth": 2, "heads": 3, "patch_size": 4}


def count(net, *inputs):
    params, _ = jax.eval_shape(net.init, KEY, *inputs)
    return sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize(
    ("size", "patch", "published"),
    [
        ("tiny", 16, 5_717_416 - 193_000),
        ("small", 16, 22_050_664 - 385_000),
        ("base", 16, 86_567_656 - 769_000),
        ("large", 16, 304_326_632 - 1_025_000),
        ("huge", 14, 632_045_800 - 1_281_000),
    ],
)
def test_parameter_counts_are_the_published_ones(size, patch, published):
    net = models.vit(size=size, patch_size=patch, scan=True)
    image = jnp.zeros((1, 224, 224, 3))
    assert count(net, image) == published  # less the classifier of 1000 classes


def test_mae_counts_are_the_published_ones():
    image, keep = jnp.zeros((1, 224, 224, 3)), jnp.zeros((1, 49), jnp.int32)
    encoder = count(models.mae_encoder(scan=True), image, keep)
    restore = jnp.zeros((1, 196), jnp.int32)
    decoder = count(models.mae_decoder(scan=True), jnp.zeros((1, 50, 768)), restore)
    tables = 197 * (768 + 512)  # the release counts its fixed positions
    assert encoder + decoder + tables == 111_907_840


def test_scan_and_remat_compute_the_same_function():
    image = jax.random.normal(KEY, (2, 8, 8, 3))
    names = ("block0", "attention1", "pooled")
    plain, scanned = (
        models.vit(**TOY, layer_scale=0.5, output=names, **options)
        for options in ({}, {"scan": True, "remat": True})
    )
    params, _ = drawn(plain, image)
    stacked = jax.tree.map(
        lambda *leaves: jnp.stack(leaves), params["blocks_0"], params["blocks_1"]
    )
    rest = {k: v for k, v in params.items() if not k.startswith("blocks")}
    wanted, _ = jax.eval_shape(scanned.init, KEY, image)
    (name,) = set(wanted) - set(rest)
    both = {**rest, name: {"block": stacked}}
    assert jax.tree.structure(both) == jax.tree.structure(wanted)

    def value(net, params):
        def loss(params):
            out, _ = net.apply(params, {}, image)
            return jnp.sum(jnp.sin(out["pooled"])), out

        return jax.jit(jax.value_and_grad(loss, has_aux=True))(params)

    (_, out), grads = value(plain, params)
    (_, other), other_grads = value(scanned, both)
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)  # noqa: E731
    jax.tree.map(close, out, other)
    close(grads["patch_embed"]["kernel"], other_grads["patch_embed"]["kernel"])
    close(
        grads["blocks_1"]["fc1"]["bias"], other_grads[name]["block"]["fc1"]["bias"][1]
    )
    np.testing.assert_allclose(out["attention1"].sum(-1), 1.0, rtol=1e-5)


def test_drop_path_acts_in_training_only():
    image = jax.random.normal(KEY, (4, 8, 8, 3))
    net, still = models.vit(**TOY, drop_path=0.5), models.vit(**TOY)
    params, _ = drawn(net, image)
    quiet, _ = jax.jit(net.apply)(params, {}, image)
    np.testing.assert_array_equal(quiet, jax.jit(still.apply)(params, {}, image)[0])
    train = jax.jit(lambda key: net.apply(params, {}, image, train=True, key=key)[0])
    np.testing.assert_array_equal(train(KEY), train(KEY))
    assert not np.allclose(train(KEY), train(jax.random.key(1)))
    assert not np.allclose(train(KEY), quiet)


def test_frozen_patches_get_no_gradient_and_positions_do():
    image = jax.random.normal(KEY, (2, 8, 8, 3))
    net = models.vit(**TOY, freeze_patches=True, init="xavier_qkv")
    params, _ = jax.jit(net.init)(KEY, image)
    loss = jax.jit(jax.grad(lambda p: jnp.sum(net.apply(p, {}, image)[0] ** 3)))
    grads = loss(params)
    assert not any(g.any() for g in jax.tree.leaves(grads["patch_embed"]))
    assert grads["pos_embed"].any()
    bound = np.sqrt(6 / (24 + 24))
    assert (
        0.9 * bound
        < jnp.abs(params["blocks_0"]["attn"]["qkv"]["kernel"]).max()
        <= bound
    )
    bound = np.sqrt(6 / (48 + 24))
    assert 0.9 * bound < jnp.abs(params["patch_embed"]["kernel"]).max() <= bound
    assert jnp.abs(params["cls_token"]).max() < 1e-5


def test_learned_positions_follow_the_image():
    net = models.vit(**TOY, pool="mean", output=("embedded", "pooled"))
    image = jax.random.normal(KEY, (1, 16, 16, 3))
    params, _ = drawn(net, image)
    wide = jax.random.normal(KEY, (1, 8, 24, 3))
    apply = jax.jit(net.apply)
    out, _ = apply(params, {}, wide)
    assert out["embedded"].shape == (1, 13, 24)
    table = models.resize_positions(params["pos_embed"], height=2, width=6)
    still, _ = apply({**params, "pos_embed": 0 * params["pos_embed"]}, {}, wide)
    np.testing.assert_allclose(
        out["embedded"] - still["embedded"], table, rtol=1e-4, atol=1e-5
    )
    for convention, exact in (("size", True), ("factor", False)):
        same = models.resize_positions(
            params["pos_embed"], height=4, width=4, convention=convention
        )
        assert np.allclose(same, params["pos_embed"], atol=1e-6) == exact
    with pytest.raises(ValueError, match="not a square grid"):
        models.resize_positions(jnp.ones((1, 7, 4)), height=2, width=2)


def test_sincos_orders_swap_halves():
    table = {"height": 3, "width": 5, "dim": 8, "class_token": False}
    mae = models.sincos_positions(**table)
    moco = models.sincos_positions(**table, first="row")
    np.testing.assert_array_equal(mae, jnp.roll(moco, 4, axis=1))
    column, row = 7 % 5, 7 // 5
    want = [np.sin(column), np.sin(column / 100), np.cos(column), np.cos(column / 100)]
    want += [np.sin(row), np.sin(row / 100), np.cos(row), np.cos(row / 100)]
    np.testing.assert_allclose(mae[7], want, rtol=1e-6)
    with pytest.raises(ValueError, match="nearest are 8 and 12"):
        models.sincos_positions(height=2, width=2, dim=10)


def test_mae_encoder_sees_only_what_it_keeps_and_decoder_puts_it_back():
    encoder = models.mae_encoder(**TOY)
    decoder = models.mae_decoder(patch_size=4, width=16, depth=1, heads=2)
    image = jax.random.normal(KEY, (1, 8, 8, 3))
    order = jnp.array([[2, 0, 3, 1]])
    keep, restore = order[:, :2], jnp.argsort(order, axis=1)
    params, _ = drawn(encoder, image, keep)
    encode = jax.jit(lambda image, keep: encoder.apply(params, {}, image, keep)[0])
    latents = encode(image, keep)
    assert latents.shape == (1, 3, 24)
    hidden = image.at[:, :4, 4:].add(1.0)  # patch 1 is not kept
    np.testing.assert_array_equal(latents, encode(hidden, keep))
    assert not np.allclose(latents, encode(image.at[:, 4:, :4].add(1.0), keep))
    everything, _ = jax.jit(encoder.apply)(params, {}, image)
    np.testing.assert_allclose(
        everything, encode(image, jnp.arange(4)[None]), rtol=1e-5, atol=1e-6
    )
    tail, _ = drawn(decoder, latents, restore)
    decode = jax.jit(lambda z, restore: decoder.apply(tail, {}, z, restore)[0])
    pixels = decode(latents, restore)
    assert pixels.shape == (1, 4, 48)
    swapped = latents[:, jnp.array([0, 2, 1])]  # kept in the other order
    order = jnp.array([[0, 2, 3, 1]])
    np.testing.assert_allclose(
        pixels, decode(swapped, jnp.argsort(order, axis=1)), rtol=1e-4, atol=1e-5
    )


def test_the_mlp_of_mae_may_have_another_width():
    encoder = models.mae_encoder(width=8, depth=1, heads=2, mlp_ratio=2, patch_size=4)
    params, _ = jax.eval_shape(encoder.init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    assert params["blocks_0"]["fc1"]["kernel"].shape == (8, 16)


def test_mae_decoder_takes_other_grids():
    decoder = models.mae_decoder(patch_size=2, width=8, depth=1, heads=2, grid=(2, 3))
    inputs = jnp.zeros((1, 3, 4)), jnp.arange(6)[None]
    variables = jax.eval_shape(decoder.init, KEY, *inputs)
    out, _ = jax.eval_shape(decoder.apply, *variables, *inputs)
    assert out.shape == (1, 6, 12)


def test_half_precision_stays_near():
    image = jax.random.normal(KEY, (2, 8, 8, 3))
    params, _ = drawn(models.vit(**TOY), image)
    full, half = (
        jax.jit(models.vit(**TOY, dtype=d).apply)(params, {}, image)[0]
        for d in ("float32", "bfloat16")
    )
    assert half.dtype == jnp.float32
    assert 0 < jnp.abs(full - half).max() < 0.1


def test_mask_token_takes_the_place_of_masked_patches_before_positions():
    options = {**TOY, "mask_token": True, "output": ("patch_embed", "embedded")}
    net = models.vit(**options, relative="shared", qkv_bias="qv")
    image = jax.random.normal(KEY, (1, 8, 8, 3))
    params, _ = drawn(net, image)
    assert params["relative"]["table"].shape == (3 * 3 + 3, 3)
    assert set(params["blocks_0"]["attn"]) == {"qkv", "proj", "q_bias", "v_bias"}
    mask = jnp.array([[0, 1, 0, 0]])
    out, _ = jax.jit(net.apply)(params, {}, image, None, mask)
    tokens = out["embedded"][:, 1:] - params["pos_embed"][:, 1:]
    np.testing.assert_allclose(tokens[:, 1], params["mask_token"][:, 0], atol=1e-5)
    rest = jnp.array([0, 2, 3])
    np.testing.assert_allclose(
        tokens[:, rest], out["patch_embed"][:, rest], rtol=1e-4, atol=1e-5
    )
    plain = models.vit(**TOY)
    with pytest.raises(ValueError, match="without mask_token"):
        jax.eval_shape(plain.init, KEY, image, None, mask)


def test_the_gain_of_prototypes_is_no_parameter_of_rank_one():
    head = models.dino_head(dim=7, hidden=8, bottleneck=3, with_gain=True)
    params, _ = drawn(head, jnp.ones((2, 6)))
    decayed = optim.included("rank_one")(params)
    assert decayed["prototypes"] == {"kernel": True, "gain": True}
    assert not decayed["linear1"]["bias"]
    out, _ = head.apply(params, {}, jnp.ones((2, 6)))
    params["prototypes"]["gain"] = 2 * params["prototypes"]["gain"]
    twice, _ = head.apply(params, {}, jnp.ones((2, 6)))
    np.testing.assert_allclose(twice, 2 * out, rtol=1e-6)


def test_prototypes_have_unit_length_and_may_share():
    tokens = jax.random.normal(KEY, (2, 5, 6))
    for patch_dim, sizes in ((None, 7), (0, (7, 7)), (4, (7, 4))):
        head = models.dino_head(dim=7, hidden=8, bottleneck=3, patch_dim=patch_dim)
        params, _ = drawn(head, tokens)
        out, _ = head.apply(params, {}, tokens)
        if patch_dim is None:
            assert out.shape == (2, 5, sizes)
            continue
        assert (out[0].shape, out[1].shape) == ((2, sizes[0]), (2, 4, sizes[1]))
        longer = jax.tree.map(lambda p: p, params)
        longer["prototypes"]["kernel"] = 3 * params["prototypes"]["kernel"]
        again, _ = head.apply(longer, {}, tokens)
        np.testing.assert_allclose(out[0], again[0], rtol=1e-5)
        assert jnp.abs(out[0]).max() <= 1.0
