"""Every public loss: corner cases and precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import losses
from tests.losses import cases
from tests.losses.cases import CASES


@pytest.fixture(scope="module")
def compiled():
    return jax.jit(cases.evaluate)


def corner(kind):
    """All cases with their arrays replaced, but for masks and codes."""

    def change(name, x):
        if name == "temperature":
            return jnp.full_like(x, 0.01)
        if kind == "zeros":
            return jnp.zeros_like(x)
        if kind == "identical":
            return jnp.broadcast_to(jnp.ravel(x)[0], x.shape)
        if kind == "large":
            return x * (1e4 / jnp.max(jnp.abs(x)))
        return x

    return {
        name: {
            k: x if k in CASES[name].kept else change(k, x) for k, x in arrays.items()
        }
        for name, arrays in cases.trees().items()
    }


def assert_finite(results):
    bad = [
        f"{name}: {jax.tree_util.keystr(path)}"
        for name, result in results.items()
        for path, leaf in jax.tree_util.tree_leaves_with_path(result)
        if not np.all(np.isfinite(np.asarray(leaf, np.float32)))
    ]
    assert not bad


def test_every_public_name_has_a_case():
    assert set(CASES) | cases.WITHOUT_GRADIENT == set(losses.__all__)


@pytest.mark.parametrize("kind", ["cold", "zeros", "identical", "large"])
def test_corner_cases_are_finite(compiled, kind):
    assert_finite(compiled(corner(kind)))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_raised(compiled, dtype):
    # Temperatures are not arrays that a net makes: they stay.
    half = jax.tree.map(lambda x: x.astype(dtype) if x.ndim else x, cases.trees())
    results = compiled(half)
    assert_finite(results)
    raised = compiled(jax.tree.map(lambda x: x.astype(jnp.float32), half))
    for name, (value, gradients) in results.items():
        assert value.dtype == jnp.float32, name
        assert all(g.dtype == dtype for g in gradients.values() if g.ndim), name
        assert value == pytest.approx(raised[name][0].item(), rel=1e-5, abs=1e-6), name


def test_float32_stays_under_x64():
    with jax.enable_x64(True):
        shapes = jax.eval_shape(cases.evaluate, cases.trees(np.float32))
    wrong = [n for n, (value, _) in shapes.items() if value.dtype != np.float32]
    assert not wrong
