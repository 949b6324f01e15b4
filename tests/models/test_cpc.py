"""The networks of CPC v2."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import models
from tests.models.by_numpy import conv, relu, standardised
from tests.models.drawn import drawn

KEY = jax.random.key(0)


def test_resnet_161_has_its_layers_and_channels():
    net = models.cpc_resnet(output=("map", "pooled"))
    patches = jax.ShapeDtypeStruct((1, 80, 80, 3), np.float32)
    params, stats = jax.eval_shape(net.init, KEY, patches)
    assert not stats  # no batch statistics
    kernels = [
        path
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if leaf.ndim == 4 and "shortcut" not in jax.tree_util.keystr(path)
    ]
    assert len(kernels) == 160  # and a linear layer
    assert params["layer3_45"]["conv2"]["kernel"].shape == (3, 3, 512, 512)
    out, _ = jax.eval_shape(net.apply, params, stats, patches)
    assert out["map"].shape == (1, 5, 5, 4096)
    assert out["pooled"].shape == (1, 4096)
    with pytest.raises(ValueError, match=r"depth must be one of .*; got 18"):
        models.cpc_resnet(depth=18)


def normed(x, params):
    return standardised(x, (1, 2, 3)) * params["scale"] + params["bias"]


def test_layer_norm_is_of_whole_maps(rng):
    net = models.cpc_resnet(depth=50, width=1 / 16, output=("stem", "layer1"))
    x = rng.normal(size=(2, 16, 16, 3)).astype(np.float32)
    params, stats = drawn(net, x)
    got, _ = jax.jit(net.apply)(params, stats, x)
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    y = relu(
        normed(conv(x.astype(np.float64), params["conv1"]["kernel"], 2), params["bn1"])
    )
    y = np.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = np.max(
        [y[:, i : i + 7 : 2, j : j + 7 : 2] for i in range(3) for j in range(3)], 0
    )
    np.testing.assert_allclose(got["stem"], y, rtol=1e-4, atol=1e-4)
    for name in ("layer1_0", "layer1_1", "layer1_2"):
        p, x = params[name], y
        for i in (1, 2, 3):
            y = normed(conv(y, p[f"conv{i}"]["kernel"]), p[f"bn{i}"])
            y = relu(y) if i < 3 else y
        if "shortcut_conv" in p:
            x = normed(conv(x, p["shortcut_conv"]["kernel"]), p["shortcut_bn"])
        y = relu(x + y)
    np.testing.assert_allclose(got["layer1"], y, rtol=1e-4, atol=1e-4)


def test_context_sees_its_row_and_those_above(rng):
    blocks = 2
    net = models.cpc_context(hidden=4, blocks=blocks)
    z = rng.normal(size=(1, 5, 5, 6)).astype(np.float32)
    params, stats = drawn(net, z)

    def rows(z):  # one number a row
        return net.apply(params, stats, jnp.asarray(z))[0].sum((0, 2, 3))

    seen = jax.jit(jax.jacobian(rows))(z)  # [row, 1, row, column, channel]
    seen = np.abs(seen).sum((1, 3, 4)) > 0
    rows_above = np.subtract.outer(np.arange(5), np.arange(5))
    np.testing.assert_array_equal(seen, (rows_above >= 0) & (rows_above <= blocks))

    got = net.apply(params, stats, jnp.asarray(z))[0]
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    x = z.astype(np.float64)
    for i in (1, 2):
        y = relu(x @ p[f"narrow{i}"]["kernel"] + p[f"narrow{i}"]["bias"])
        left, right = np.zeros_like(y), np.zeros_like(y)
        left[:, :, 1:], right[:, :, :-1] = y[:, :, :-1], y[:, :, 1:]
        three = np.concatenate([left, y, right], -1)
        y = three @ p[f"row{i}"]["kernel"] + p[f"row{i}"]["bias"]
        above = np.zeros_like(y)
        above[:, 1:] = y[:, :-1]
        two = np.concatenate([above, y], -1)
        y = relu(two @ p[f"above{i}"]["kernel"] + p[f"above{i}"]["bias"])
        x = x + y @ p[f"wide{i}"]["kernel"] + p[f"wide{i}"]["bias"]
    np.testing.assert_allclose(got, relu(x), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="blocks is 0"):
        models.cpc_context(blocks=0)
    half = net.apply(params, stats, jnp.asarray(z, jnp.bfloat16))[0]
    assert half.dtype == jnp.float32
