"""Convolution, batch norm, drop path, against plain references."""

import inspect

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.errors import ScopeParamShapeError
from jax import lax

from sslax import models
from sslax.models._batch_norm import BatchNorm
from sslax.models._layers import Conv, DropPath, LayerNorm, max_pool
from tests.models.drawn import drawn

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("size", "stride", "padding", "side"),
    [
        *[(3, 1, None, 8), (3, 2, None, 9), (1, 2, None, 7), (7, 2, None, 8)],
        *[(4, 4, 0, 9), (3, 1, None, 2), (3, 2, None, 4)],
    ],
)
@pytest.mark.parametrize("impl", ["matmul", "auto"])
def test_convolutions_for_the_cpu_equal_lax(size, stride, padding, side, impl):
    x = jax.random.normal(KEY, (2, side, side + 2, 3))
    x = x[:, :, :side] if size == stride else x

    def gradients(impl):
        conv = Conv(5, size, stride, padding, use_bias=True, impl=impl)
        params = jax.jit(conv.init)(KEY, x)["params"]
        loss = lambda p, x: jnp.sum(jnp.sin(conv.apply({"params": p}, x)))  # noqa: E731
        both = lambda p, x: (conv.apply({"params": p}, x), jax.grad(loss, (0, 1))(p, x))  # noqa: E731
        return jax.jit(both)(params, x)

    pad = size // 2 if padding is None else padding
    own, lax_form = gradients(impl), gradients("lax")
    assert jax.tree.structure(own) == jax.tree.structure(lax_form)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        own,
        lax_form,
    )
    conv = Conv(5, size, stride, padding, use_bias=True)
    params = jax.jit(conv.init)(KEY, x)["params"]
    plain = lax.conv_general_dilated(
        x,
        params["kernel"],
        (stride, stride),
        [(pad, pad)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    np.testing.assert_allclose(own[0], plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "stride", "side", "small"),
    [
        *[(3, 1, 2, True), (3, 2, 4, True), (3, 2, 5, False), (5, 1, 4, True)],
        *[(7, 2, 12, True), (7, 2, 14, False), (1, 1, 1, False)],
    ],
)
def test_maps_smaller_than_the_kernel_are_products(size, stride, side, small):
    """XLA's convolutions of them, or their gradients, are plain loops on a CPU."""
    conv, x = Conv(5, size, stride), jnp.zeros((2, side, side + 9, 3))
    params = jax.eval_shape(conv.init, KEY, x)
    for images in (x, x.swapaxes(1, 2)):
        program = jax.make_jaxpr(conv.apply)(params, images)
        assert ("conv_general_dilated" not in str(program)) == (small or size == 1)


def test_max_pool_ignores_its_padding():
    x = -1.0 - jnp.arange(16.0).reshape(1, 4, 4, 1)
    pooled = max_pool(x, size=3, stride=2, padding=1)[0, :, :, 0]
    assert pooled.tolist() == [[-1.0, -2.0], [-5.0, -6.0]]


def test_batch_norm_in_groups_is_batch_norm_of_each_group():
    groups, x = 3, 5.0 + 2 * jax.random.normal(KEY, (12, 4, 4, 2))
    x = x + jnp.arange(12.0).reshape(12, 1, 1, 1)
    norm = BatchNorm(groups=groups)
    variables = norm.init(KEY, x)
    y, new = norm.apply(variables, x, train=True, mutable=["batch_stats"])
    parts = np.asarray(x, np.float64).reshape(groups, -1, 2)
    mean, var = parts.mean(1, keepdims=True), parts.var(1, keepdims=True)
    want = (parts - mean) / np.sqrt(var + 1e-5)
    np.testing.assert_allclose(y.reshape(groups, -1, 2), want, rtol=1e-4, atol=1e-5)
    unbiased = parts.var(1, ddof=1).mean(0)
    stats = new["batch_stats"]
    np.testing.assert_allclose(stats["mean"], 0.1 * mean.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * unbiased, rtol=1e-5)
    own = BatchNorm(groups=groups, unbiased=False)
    _, plain = own.apply(variables, x, train=True, mutable=["batch_stats"])
    biased = 0.9 + 0.1 * var.mean((0, 1))
    np.testing.assert_allclose(plain["batch_stats"]["var"], biased, rtol=1e-5)
    evaluated = norm.apply({**variables, **new}, x)
    shape = (1, 1, 1, 2)
    want = (x - stats["mean"].reshape(shape)) / jnp.sqrt(
        stats["var"].reshape(shape) + 1e-5
    )
    np.testing.assert_allclose(evaluated, want, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"5 groups.*12 examples"):
        BatchNorm(groups=5).apply(variables, x, train=True, mutable=["batch_stats"])


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (models.convnet, (4, 6, 6, 3)),
        (models.mlp, (144, 5)),
        (models.resnet18, (9, 8, 8, 3)),
    ],
)
def test_nets_pass_on_which_variance_runs(make, shape):
    """The correction n / (n - 1) stands in the program, or does not."""
    x = jnp.zeros(shape)
    n = 9 if make is models.resnet18 else 144  # resnet18 ends in maps of 1x1
    for unbiased in (True, False):
        net = make(bn_unbiased=unbiased)
        params, stats = jax.eval_shape(net.init, KEY, x)
        apply = lambda *a, net=net: net.apply(*a, train=True)  # noqa: E731
        program = str(jax.make_jaxpr(apply)(params, stats, x))
        assert (f"{np.float32(n / (n - 1)).item()}:f32[]" in program) == unbiased


ORDERED = {
    "clip_resnet": (
        models.clip_resnet,
        {"dim": 4, "stages": (1, 1, 1, 1), "width": 4},
        (12, 32, 32, 3),
    ),
    "convnet": (models.convnet, {"widths": (4, 8)}, (12, 8, 8, 3)),
    "resnet": (models.resnet, {"shortcut": "pool"}, (12, 32, 32, 3)),
    "selective": (models.resnet, {"selective": 0.0625}, (12, 32, 32, 3)),
    "mlp": (models.mlp, {"last_norm": "batch"}, (12, 5)),
    "swav_head": (models.swav_head, {}, (12, 5)),
    "small_alexnet": (
        models.small_alexnet,
        {"widths": (4,) * 5, "hidden": 8},
        (12, 15, 15, 3),
    ),
}


@pytest.mark.parametrize("name", ["convnet", "swav_head"])
def test_an_order_gives_the_groups_of_the_batch_in_that_order(name):
    make, options, shape = ORDERED[name]
    net = make(**options, bn_groups=3)
    order = jnp.asarray(np.random.default_rng(3).permutation(12))
    with jax.enable_x64(True):
        x = np.random.default_rng(0).normal(size=shape)
        x = jnp.asarray(x + np.arange(12.0).reshape(12, *(1,) * (len(shape) - 1)))
        params, stats = jax.tree.map(lambda x: x.astype(jnp.float64), drawn(net, x))

        @jax.jit
        def outputs(params, stats, x):
            moved = net.apply(params, stats, x[order], train=True)
            still = net.apply(params, stats, x, train=True, order=order)
            return moved, still, net.apply(params, stats, x, train=True)[0]

        (want, want_stats), (got, new_stats), plain = outputs(params, stats, x)
        got_moved = jax.tree.map(lambda leaf: leaf[order], got)
        chex.assert_trees_all_close(got_moved, want, rtol=1e-9, atol=1e-10)
        chex.assert_trees_all_close(new_stats, want_stats, rtol=1e-9)
        differences = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), plain, got)
        assert max(jax.tree.leaves(differences)) > 1e-3, "the order matters"


@pytest.mark.parametrize("name", ORDERED)
def test_every_batch_norm_of_a_net_is_given_the_order(name):
    make, options, shape = ORDERED[name]
    net, x = make(**options, bn_groups=3), jnp.zeros(shape)
    params, stats = jax.eval_shape(net.init, KEY, x)
    given = []

    def record(call, args, kwargs, context):
        if isinstance(context.module, BatchNorm) and context.method_name == "__call__":
            given.append(kwargs.get("order") is not None)
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        jax.eval_shape(
            lambda *a: net.apply(*a, train=True, order=jnp.arange(12)), params, stats, x
        )
    assert given
    assert all(given)


@pytest.mark.parametrize("name", sorted(models.__all__))
def test_every_net_with_groups_is_tried(name):
    parameters = inspect.signature(getattr(models, name)).parameters
    family = getattr(getattr(models, name), "func", getattr(models, name))
    tried = {make for make, *_ in ORDERED.values()}
    tried |= {getattr(make, "func", make) for make in tried}
    assert ("bn_groups" in parameters) == (family in tried)


def test_an_order_means_nothing_to_a_net_that_sees_examples_alone():
    net = models.linear(dim=2)
    x = jnp.arange(12.0).reshape(4, 3)
    params, stats = net.init(KEY, x)
    got, _ = net.apply(params, stats, x, train=True, order=jnp.array([1, 0, 3, 2]))
    np.testing.assert_array_equal(got, net.apply(params, stats, x, train=True)[0])


def test_an_order_of_another_batch_is_refused():
    x = jnp.ones((12, 4))
    net = models.mlp(hidden=3, dim=2, bn_groups=3)
    params, stats = net.init(KEY, x)
    with pytest.raises(ValueError, match=r"shape \(11,\); expected \(12,\)"):
        net.apply(params, stats, x, train=True, order=jnp.arange(11))


def test_batch_norm_is_exact_for_a_mean_far_from_zero():
    x = 1000.0 + jax.random.normal(KEY, (64, 1))
    norm = BatchNorm()
    variables = norm.init(KEY, x)
    stats = {"mean": jnp.array([1000.0]), "var": jnp.ones(1)}
    y, _ = norm.apply(
        {**variables, "batch_stats": stats}, x, train=True, mutable=["batch_stats"]
    )
    exact = np.asarray(x, np.float64)
    exact = (exact - exact.mean()) / exact.std()
    np.testing.assert_allclose(y, exact, atol=2e-3)


@pytest.mark.parametrize("layer", [Conv(5, 3, use_bias=True), BatchNorm(), LayerNorm()])
def test_parameters_of_another_shape_are_refused_by_name(layer):
    x, wide = jnp.ones((2, 4, 4, 3)), jnp.ones((2, 4, 4, 6))
    given, other = (jax.eval_shape(layer.init, KEY, image) for image in (x, wide))
    name = "kernel" if isinstance(layer, Conv) else "scale"
    mixed = {**given, "params": {**given["params"], name: other["params"][name]}}
    jax.eval_shape(layer.apply, given, x)
    with pytest.raises(ScopeParamShapeError, match=name):
        jax.eval_shape(layer.apply, mixed, x)


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_layer_norm_is_flax_layer_norm(dtype):
    x = 1e3 + jax.random.normal(KEY, (2, 3, 8), dtype)
    known = nn.LayerNorm(epsilon=1e-6, dtype=dtype, use_fast_variance=False)
    params = {"scale": jnp.arange(8.0), "bias": -jnp.arange(8.0)}
    wanted = known.apply({"params": params}, x)
    got = LayerNorm(dtype=dtype).apply({"params": params}, x)
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)


def test_drop_path_drops_whole_examples_and_keeps_the_mean():
    x = jnp.ones((4000, 2, 3))
    y = DropPath().apply({}, x, 0.25, rngs={"dropout": KEY})
    rows = np.asarray(y.reshape(4000, -1))
    assert (rows == rows[:, :1]).all()
    kept = rows[:, 0] > 0
    assert 0.72 < kept.mean() < 0.78
    np.testing.assert_allclose(rows[kept], 1 / 0.75, rtol=1e-6)
