"""The networks of CPC and CPC v2."""

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


@pytest.mark.parametrize(
    "net", [models.cpc_context(hidden=4, blocks=2), models.pixel_cnn(layers=2)]
)
def test_context_sees_its_row_and_those_above(rng, net):
    z = rng.normal(size=(1, 5, 5, 6)).astype(np.float32)
    params, stats = drawn(net, z)

    def rows(z):  # one number a row
        return net.apply(params, stats, jnp.asarray(z))[0].sum((0, 2, 3))

    seen = jax.jit(jax.jacobian(rows))(z)  # [row, 1, row, column, channel]
    seen = np.abs(seen).sum((1, 3, 4)) > 0
    rows_above = np.subtract.outer(np.arange(5), np.arange(5))
    np.testing.assert_array_equal(seen, (rows_above >= 0) & (rows_above <= 2))


def test_context_is_residual_blocks_of_the_codes_around(rng):
    net = models.cpc_context(hidden=4, blocks=2)
    z = rng.normal(size=(1, 5, 5, 6)).astype(np.float32)
    params, stats = drawn(net, z)
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


def test_gated_layers_see_both_sides_and_the_row_above(rng):
    net = models.pixel_cnn(layers=2)
    z = rng.normal(size=(1, 3, 4, 2)).astype(np.float32)
    params, stats = drawn(net, z)
    got = net.apply(params, stats, jnp.asarray(z))[0]
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params)

    def linear(x, name):
        return x @ p[name]["kernel"] + p[name]["bias"]

    def around(x, top):
        """The places of the rows from `top` above to the own, on both sides."""
        x = np.pad(x, ((0, 0), (top, 0), (1, 1), (0, 0)))
        return np.concatenate(
            [x[:, i : i + 3, j : j + 4] for i in range(top + 1) for j in range(3)], -1
        )

    def gate(x):
        return np.tanh(x[..., :2]) / (1 + np.exp(-x[..., 2:]))

    v = h = z.astype(np.float64)
    for i in (1, 2):
        up = linear(around(v, 1), f"vertical{i}")
        y = linear(around(h, 0), f"horizontal{i}") + linear(up, f"down{i}")
        y = linear(gate(y), f"out{i}")
        v, h = gate(up), y if i == 1 else h + y
    np.testing.assert_allclose(got, linear(h, "last"), rtol=1e-4, atol=1e-5)
    assert "skip2" not in p  # behind the last look up
    with pytest.raises(ValueError, match="layers must be positive"):
        models.pixel_cnn(layers=0)


def test_gru_sums_up_every_column_from_above(rng):
    net = models.gru_context(width=3)
    z = rng.normal(size=(2, 4, 2, 5)).astype(np.float32)
    params, stats = drawn(net, z)
    got = jax.jit(net.apply)(params, stats, jnp.asarray(z))[0]
    (p,) = jax.tree.map(lambda a: np.asarray(a, np.float64), params).values()
    if "cell" in p:
        p = p["cell"]

    def read(gate, x, h):
        return x @ p[f"i{gate}"]["kernel"] + p[f"i{gate}"]["bias"] + told(gate, h)

    def told(gate, h):
        return h @ p[f"h{gate}"]["kernel"] + p[f"h{gate}"].get("bias", 0.0)

    def open_to(x):
        return 1 / (1 + np.exp(-x))

    h = np.zeros((2, 2, 3))
    for row in range(4):
        x = z[:, row].astype(np.float64)
        kept, reset = (open_to(read(gate, x, h)) for gate in ("z", "r"))
        new = x @ p["in"]["kernel"] + p["in"]["bias"] + reset * told("n", h)
        h = kept * h + (1 - kept) * np.tanh(new)
        np.testing.assert_allclose(got[:, row], h, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="width must be positive"):
        models.gru_context(width=0)
    half = net.apply(params, stats, jnp.asarray(z, jnp.bfloat16))[0]
    assert half.dtype == jnp.float32


def test_preactivation_blocks_of_large_patches(rng):
    """Three convolutions of a block, and a shortcut where channels or size change."""
    net = models.preact_resnet(stages=(1, 2), width=2, output=("map", "pooled"))
    x = rng.normal(size=(2, 16, 16, 1)).astype(np.float32)
    params, stats = drawn(net, x)
    assert not stats
    got, _ = jax.jit(net.apply)(params, stats, x)
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)

    def convolved(x, p, stride=1):
        return conv(x, p["kernel"], stride) + p["bias"]

    y = convolved(x.astype(np.float64), params["conv1"], 2)
    y = np.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    y = np.max(
        [y[:, i : i + 7 : 2, j : j + 7 : 2] for i in range(3) for j in range(3)], 0
    )
    for name, stride in (("layer1_0", 1), ("layer2_0", 2), ("layer2_1", 1)):
        p, x, y = params[name], y, relu(y)
        if "shortcut" in p:
            x = convolved(y, p["shortcut"], stride)
        y = relu(convolved(y, p["conv1"]))
        y = relu(convolved(y, p["conv2"], stride))
        y = x + convolved(y, p["conv3"])
    assert y.shape == (2, 2, 2, 16)
    assert "shortcut" not in params["layer2_1"]
    np.testing.assert_allclose(got["map"], y, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(got["pooled"], y.mean((1, 2)), rtol=1e-4, atol=1e-4)


def test_the_encoder_of_the_paper_has_codes_of_1024():
    net = models.preact_resnet()
    patches = jax.ShapeDtypeStruct((1, 64, 64, 3), np.float32)
    params, stats = jax.eval_shape(net.init, KEY, patches)
    assert sum(name.startswith("layer3") for name in params) == 23
    out, _ = jax.eval_shape(net.apply, params, stats, patches)
    assert out.shape == (1, 1024)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"stem": "cifar"}, "stem must be one of 'imagenet', 'small'; got 'cifar'"),
        ({"stages": ()}, "stages must be blocks of one or more"),
        ({"width": 0}, "width must be positive"),
    ],
)
def test_a_preactivation_net_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        models.preact_resnet(**wrong)
