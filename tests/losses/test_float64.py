"""Every public loss in float64, where rounding hides nothing: slopes and meshes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from tests.losses import cases

# The gradient of these is not that of the value, by definition.
DEFINED_BY_GRADIENT = {"flat_nce"}
STEP = 1e-6


def on_devices(count, trees):
    """Values and gradients on a mesh, the batch sharded; as numpy arrays."""
    mesh = jax.make_mesh(
        (count,), ("data",), devices=jax.devices()[:count], axis_types=(AxisType.Auto,)
    )

    def place(x):
        # The axis of the batch is the first, or the second after views and crops.
        axis = x.shape.index(cases.B) if cases.B in x.shape else None
        spec = () if axis is None else (*[None] * axis, "data")
        return jax.device_put(x, NamedSharding(mesh, PartitionSpec(*spec)))

    return jax.tree.map(np.asarray, run(jax.tree.map(place, trees)))


run = jax.jit(cases.evaluate)


@pytest.fixture(scope="module", autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def here(float64):
    return cases.trees(np.float64)


@pytest.fixture(scope="module")
def one(here):
    return on_devices(1, here)


def test_gradients_agree_with_finite_differences(here, one):
    rng = np.random.default_rng(0)
    direction = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), here)
    ahead = on_devices(1, jax.tree.map(lambda x, v: x + STEP * v, here, direction))
    behind = on_devices(1, jax.tree.map(lambda x, v: x - STEP * v, here, direction))
    for name, (value, gradients) in one.items():
        assert value.dtype == np.float64, name
        if name in DEFINED_BY_GRADIENT:
            continue
        slope = (ahead[name][0] - behind[name][0]) / (2 * STEP)
        along = sum(np.sum(g * direction[name][k]) for k, g in gradients.items())
        assert along == pytest.approx(slope, rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize("count", [2, 8])
def test_same_value_and_gradient_on_a_mesh(here, one, count):
    for name, (value, gradients) in on_devices(count, here).items():
        expected, expected_gradients = one[name]
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-9), name
        for key, gradient in gradients.items():
            wanted = expected_gradients[key]
            size = max(np.max(np.abs(wanted)), 1e-3)
            assert np.max(np.abs(gradient - wanted)) <= 1e-8 * size, (name, key)
