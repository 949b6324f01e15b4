"""Swin transformers: windows, shifts, masks, sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.interpolate
import scipy.optimize

from sslax import models, optim
from tests.models.drawn import drawn

KEY = jax.random.key(0)
TOY = {"width": 8, "depths": (2, 2), "heads": (2, 4), "window_size": 2}


def shapes(net, *inputs):
    return jax.eval_shape(net.init, KEY, *inputs)


def test_outputs_have_the_sizes_of_their_stages():
    names = ["patch_embed", "stage1", "merged1", "stage2", "map", "tokens", "pooled"]
    net = models.swin(**TOY, output=[*names, "block3", "attention1", "attention2"])
    image = jnp.zeros((2, 32, 48, 3))
    out, _ = jax.eval_shape(net.apply, *shapes(net, image), image)
    assert out["patch_embed"].shape == out["stage1"].shape == (2, 8, 12, 8)
    assert out["merged1"].shape == out["stage2"].shape == (2, 4, 6, 16)
    assert out["map"].shape == out["block3"].shape == (2, 4, 6, 16)
    assert out["tokens"].shape == (2, 24, 16)
    assert out["pooled"].shape == (2, 16)
    assert out["attention1"].shape == (2, 24, 2, 4, 4)  # 4 x 6 windows
    assert out["attention2"].shape == (2, 6, 4, 4, 4)


def test_windows_keep_to_themselves_and_shifts_join_neighbours():
    net = models.swin(**TOY, output=("block0", "block1"), patch_size=2)
    image = jax.random.normal(KEY, (1, 16, 16, 3))
    params, _ = drawn(net, image)
    apply = jax.jit(lambda image: net.apply(params, {}, image)[0])
    before, after = apply(image), apply(image.at[:, :2, :2].add(1.0))  # patch (0, 0)
    moved = {
        name: np.abs(after[name] - before[name])[0].max(-1) > 1e-6 for name in before
    }
    window = np.zeros((8, 8), bool)
    window[:2, :2] = True
    np.testing.assert_array_equal(moved["block0"], window)
    # Shifted by one, (1, 1) meets its neighbours and (0, 0) nobody across the border.
    window[:3, :3] = True
    np.testing.assert_array_equal(moved["block1"], window)


def test_the_epsilon_of_every_norm_is_the_one_that_is_asked_for():
    net = models.swin(**{**TOY, "depths": (1, 1)}, patch_size=2, norm_eps=0.0625)
    image = jnp.zeros((1, 16, 16, 3))
    text = str(jax.make_jaxpr(net.apply)(*shapes(net, image), image))
    assert text.count("0.0625:f32[]") == 7  # patches, 2 blocks of two, merging, map


def test_relative_tables_are_decayed_as_in_simmim():
    net = models.swin(**TOY, masked="token")
    params, _ = shapes(net, jnp.zeros((1, 32, 32, 3)))
    decayed = optim.included("rank_one")(params)
    assert decayed["layer1_0"]["attn"]["relative"]["table"]
    assert not decayed["layer1_0"]["norm1"]["scale"]


def test_hidden_patches_are_not_seen_at_any_scale():
    names = ("block0", "block1", "merged1", "stage2")
    net = models.swin(**TOY, masked="hidden", patch_size=2, output=names)
    image = jax.random.normal(KEY, (2, 16, 16, 3))
    mask = jnp.array([[[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 1], [1, 0, 1, 1]]] * 2)
    mask = mask.at[1].set(1 - mask[1])
    params, _ = drawn(net, image)
    fine = mask.repeat(2, 1).repeat(2, 2)
    pixels = fine.repeat(2, 1).repeat(2, 2)[..., None]
    apply = jax.jit(lambda image, mask: net.apply(params, {}, image, None, mask)[0])
    out, other = apply(image, fine), apply(image + 3.0 * pixels, fine)
    open_, _ = jax.jit(net.apply)(params, {}, image)
    for name in names:
        seen = np.asarray(fine if name in names[:2] else mask) == 0
        np.testing.assert_array_equal(out[name][seen], other[name][seen])
        if name != "block0":  # whose windows are hidden as a whole or not at all
            assert np.abs(out[name] - open_[name])[seen].max() > 1e-3
        assert np.abs(out[name] - other[name])[~seen].max() > 1e-3
    flat = jax.eval_shape(net.apply, params, {}, image, None, fine.reshape(2, -1))
    assert flat[0]["stage2"].shape == out["stage2"].shape


def test_remat_half_precision_and_drop_path():
    small = {**TOY, "depths": (1, 1), "patch_size": 2}
    image = jax.random.normal(KEY, (4, 8, 8, 3))
    plain = models.swin(**small, drop_path=0.5)
    params, _ = drawn(plain, image)

    def value(params, key):
        out, _ = plain.apply(params, {}, image)
        again, _ = models.swin(**small, remat=True).apply(params, {}, image)
        low, _ = models.swin(**small, dtype="bfloat16").apply(params, {}, image)
        train, _ = plain.apply(params, {}, image, train=True, key=key)
        return out, again, low, train

    run = jax.jit(value)
    out, again, low, train = run(params, KEY)
    np.testing.assert_allclose(out, again, rtol=1e-4, atol=1e-5)
    assert low.dtype == jnp.float32
    assert 0 < jnp.abs(out - low).max() < 0.1
    assert not np.allclose(train, out)
    assert not np.allclose(train, run(params, jax.random.key(1))[-1])


def test_a_window_larger_than_the_grid_is_the_whole_grid():
    options = {**TOY, "patch_size": 2}
    params, _ = shapes(
        models.swin(**{**options, "window_size": 4}), jnp.zeros((1, 8, 8, 3))
    )
    assert params["layer1_0"]["attn"]["relative"]["table"].shape == (49, 2)
    assert params["layer2_0"]["attn"]["relative"]["table"].shape == (9, 4)
    with pytest.raises(ValueError, match="window_size 3 does not divide the grid of 4"):
        shapes(models.swin(**{**options, "window_size": 3}), jnp.zeros((1, 8, 8, 3)))


@pytest.mark.parametrize(
    ("options", "side", "message"),
    [
        ({}, 20, "nearest sizes are 16 and 24"),
        ({}, 4, "nearest sizes are 8 and 16"),
        ({"window_size": 5}, 48, "nearest that does is 4"),
        ({"masked": None}, 16, "made with masked=None"),
    ],
)
def test_mistakes_at_the_call_are_named(options, side, message):
    net = models.swin(**{**TOY, **options})
    mask = jnp.zeros((1, 16)) if "masked" in options else None
    with pytest.raises(ValueError, match=message):
        shapes(net, jnp.zeros((1, side, side, 3)), None, mask)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "huge"}, "size must be one of .*; got 'huge'"),
        ({"masked": "zero"}, "masked must be one of .*; got 'zero'"),
        ({"heads": (2,)}, "differ in length"),
        ({"heads": (3, 3)}, "3 heads do not divide the width 8 of stage 1"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        models.swin(**{**TOY, **options})


def test_no_patch_can_be_left_out():
    with pytest.raises(ValueError, match="keep is given"):
        shapes(models.swin(**TOY), jnp.zeros((1, 16, 16, 3)), jnp.zeros((1, 2), int))


@pytest.mark.parametrize(("old", "new"), [(6, 7), (7, 14), (7, 5)])
def test_relative_positions_resize_as_a_spline_on_spread_offsets(old, new, rng):
    span = 2 * old - 1
    table = rng.normal(size=(span**2 + 3, 2)).astype(np.float32)
    got = models.resize_relative_positions(jnp.asarray(table), side=new, prefix=3)
    assert got.shape == ((2 * new - 1) ** 2 + 3, 2)
    np.testing.assert_array_equal(got[-3:], table[-3:])
    reach = lambda q: sum(q**i for i in range(old - 1)) - (new - 1)  # noqa: E731
    ratio = scipy.optimize.brentq(reach, 1.0, 3) if new > old else 1.01
    steps = np.cumsum(ratio ** np.arange(old - 1))
    places = np.concatenate([-steps[::-1], [0], steps])
    grid = table[:-3, 1].reshape(span, span).astype(np.float64)
    spline = scipy.interpolate.RectBivariateSpline(places, places, grid, s=0)
    want = spline(np.arange(1 - new, new), np.arange(1 - new, new))
    np.testing.assert_allclose(got[:-3, 1], want.ravel(), rtol=1e-3, atol=1e-3)


def test_relative_positions_of_the_same_side_stay_and_mistakes_are_named():
    table = jnp.ones((49, 2))
    assert models.resize_relative_positions(table, side=4) is table
    with pytest.raises(ValueError, match="50 rows less 0"):
        models.resize_relative_positions(jnp.ones((50, 2)), side=4)


def test_a_table_of_another_window_is_named():
    image = jnp.zeros((1, 16, 16, 3))
    params, _ = shapes(models.swin(**TOY), image)
    other = models.swin(**{**TOY, "window_size": 4})
    with pytest.raises(ValueError, match="49 relative positions, the table has 9"):
        jax.eval_shape(other.apply, params, {}, image)


def test_windows_of_one_size_take_crops_of_another():
    """Zeros fill the last windows, which attention sees, and are cut off again."""
    options = {**TOY, "window_size": 4, "patch_size": 2, "output": ("map", "attention")}
    whole, small = jnp.zeros((1, 16, 16, 3)), jnp.zeros((1, 12, 12, 3))
    net, of_each = models.swin(**options, image_size=16), models.swin(**options)
    params, _ = shapes(net, whole)
    texts = [str(jax.make_jaxpr(n.apply)(params, {}, whole)) for n in (net, of_each)]
    assert texts[0] == texts[1]
    out = jax.eval_shape(net.apply, params, {}, small)[0]
    assert out["map"].shape == (1, 3, 3, 16)
    assert out["attention"].shape == (1, 4, 3, 3)
    with pytest.raises(ValueError, match="window_size 4 does not divide the grid of 6"):
        jax.eval_shape(of_each.apply, params, {}, small)


def test_zeros_that_fill_a_window_are_keys_without_a_norm():
    """Of one place of a window of two by two, three are zeros: only biases are left."""
    net = models.swin(
        width=4,
        depths=(1,),
        heads=(1,),
        window_size=2,
        patch_size=2,
        image_size=4,
        output=("patch_embed", "attention0"),
    )
    image = jax.random.normal(KEY, (1, 2, 2, 3))
    params, _ = drawn(net, jnp.zeros((1, 4, 4, 3)))
    out, _ = jax.jit(net.apply)(params, {}, image)
    block = jax.device_get(params["layer1_0"])
    x = np.asarray(out["patch_embed"])[0, 0, 0]
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    x = x * block["norm1"]["scale"] + block["norm1"]["bias"]
    tokens = np.zeros((4, 4))
    tokens[0] = x
    qkv = tokens @ block["attn"]["qkv"]["kernel"] + block["attn"]["qkv"]["bias"]
    q, k, _ = np.split(qkv, 3, axis=-1)
    table = np.asarray(block["attn"]["relative"]["table"])[:, 0].reshape(3, 3)
    places = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    offset = places[0] - places + 1
    logits = q[0] @ k.T / 2 + table[offset[:, 0], offset[:, 1]]
    wanted = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(out["attention0"][0, 0, 0, 0], wanted, rtol=1e-5)
