"""Every public loss on a mesh: the same value and gradient on 1, 2 and 8 devices."""

import chex
import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from tests.losses import cases


@pytest.fixture(scope="module")
def results():
    return {count: on_devices(count) for count in (1, 2, 8)}


def on_devices(count):
    mesh = jax.make_mesh(
        (count,), ("data",), devices=jax.devices()[:count], axis_types=(AxisType.Auto,)
    )

    def place(x):
        # The axis of the batch is the first, or the second after views and crops.
        axis = x.shape.index(cases.B) if cases.B in x.shape else None
        spec = PartitionSpec(*[None] * axis, "data") if axis is not None else None
        return jax.device_put(x, NamedSharding(mesh, spec or PartitionSpec()))

    placed = jax.tree.map(place, cases.trees())
    return jax.jit(cases.evaluate, compiler_options=cases.QUICK)(placed)


@pytest.mark.parametrize("count", [2, 8])
def test_same_value_and_gradient_on_a_mesh(results, count):
    one = jax.tree.map(np.asarray, results[1])
    many = jax.tree.map(np.asarray, results[count])
    for name, expected in one.items():
        value, gradients = many[name]
        assert value == pytest.approx(expected[0], rel=2e-5, abs=2e-5), name
        for key, gradient in gradients.items():
            size = max(np.max(np.abs(expected[1][key])), 1e-3)
            chex.assert_trees_all_close(
                gradient / size, expected[1][key] / size, atol=1e-4
            )
