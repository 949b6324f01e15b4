"""Convolution, batch norm, drop path, against plain references."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from sslax import models
from sslax.models._batch_norm import BatchNorm
from sslax.models._layers import Conv, DropPath, max_pool

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("size", "stride", "padding", "side"),
    [(3, 1, None, 8), (3, 2, None, 9), (1, 2, None, 7), (7, 2, None, 8), (4, 4, 0, 9)],
)
def test_matmul_convolution_equals_lax(size, stride, padding, side):
    x = jax.random.normal(KEY, (2, side, side + 2, 3))
    x = x[:, :, :side] if size == stride else x

    def gradients(impl):
        conv = Conv(5, size, stride, padding, use_bias=True, impl=impl)
        params = jax.jit(conv.init)(KEY, x)["params"]
        loss = lambda p, x: jnp.sum(jnp.sin(conv.apply({"params": p}, x)))  # noqa: E731
        both = lambda p, x: (conv.apply({"params": p}, x), jax.grad(loss, (0, 1))(p, x))  # noqa: E731
        return jax.jit(both)(params, x)

    pad = size // 2 if padding is None else padding
    matmul, lax_form = gradients("matmul"), gradients("lax")
    assert jax.tree.structure(matmul) == jax.tree.structure(lax_form)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        matmul,
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
    np.testing.assert_allclose(matmul[0], plain, rtol=1e-4, atol=1e-5)


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


def test_shuffled_groups_are_the_groups_of_the_shuffled_batch():
    with jax.enable_x64(True):
        net = models.convnet(widths=(4, 8), bn_groups=3)
        x = jax.random.normal(KEY, (12, 8, 8, 3), jnp.float64)
        x = x + jnp.arange(12.0).reshape(12, 1, 1, 1)
        to64 = lambda x: x.astype(jnp.float64)  # noqa: E731
        params, stats = jax.tree.map(to64, net.init(KEY, x))
        order = jax.random.permutation(jax.random.key(3), 12)
        want, want_stats = net.apply(params, stats, x[order], train=True)
        with models.shuffled_groups(order):
            got, new_stats = net.apply(params, stats, x, train=True)
        plain, _ = net.apply(params, stats, x, train=True)
        got, plain, order = (np.asarray(v) for v in (got, plain, order))
    np.testing.assert_allclose(got[order], want, rtol=1e-12, atol=1e-13)
    assert np.abs(plain - got).max() > 0.01, "the order matters"
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, 1e-12), new_stats, want_stats
    )


def test_an_order_of_another_batch_is_refused():
    x = jnp.ones((12, 4))
    variables = BatchNorm(groups=3).init(KEY, x)
    with (
        models.shuffled_groups(jnp.arange(11)),
        pytest.raises(ValueError, match=r"shape \(11,\); expected \(12,\)"),
    ):
        BatchNorm(groups=3).apply(variables, x, train=True, mutable=["batch_stats"])


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


def test_drop_path_drops_whole_examples_and_keeps_the_mean():
    x = jnp.ones((4000, 2, 3))
    y = DropPath().apply({}, x, 0.25, rngs={"dropout": KEY})
    rows = np.asarray(y.reshape(4000, -1))
    assert (rows == rows[:, :1]).all()
    kept = rows[:, 0] > 0
    assert 0.72 < kept.mean() < 0.78
    np.testing.assert_allclose(rows[kept], 1 / 0.75, rtol=1e-6)
