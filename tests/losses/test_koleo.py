import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import losses


@pytest.mark.parametrize("block_size", [None, 3])
def test_koleo_is_the_log_of_the_nearest_distance(block_size):
    x = np.random.default_rng(0).normal(size=(7, 3)) * 5
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    distance = np.linalg.norm(u[:, None] - u[None], axis=-1) + 9 * np.eye(7)
    want = -np.mean(np.log(distance.min(axis=1) + 1e-8))
    got = losses.koleo(jnp.asarray(x), block_size=block_size)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_equal_vectors_have_a_bounded_loss_and_no_gradient():
    value, gradient = jax.value_and_grad(losses.koleo)(jnp.ones((4, 3)))
    np.testing.assert_allclose(value, -np.log(1e-8), rtol=1e-6)
    assert not np.any(gradient)


def test_the_nearest_other_vector_may_be_the_opposite_one():
    pair = jnp.asarray([[2.0, 0.0], [-3.0, 0.0]])
    np.testing.assert_allclose(losses.koleo(pair), -np.log(2), rtol=1e-6)


def test_gradient_descent_spreads_points():
    x = jnp.asarray(np.random.default_rng(1).normal(size=(6, 2)))
    step = jax.jit(lambda x: x - 0.01 * jax.grad(losses.koleo)(x))
    y = x
    for _ in range(50):
        y = step(y)
    assert losses.koleo(y) < losses.koleo(x) - 0.1


def test_one_vector_is_refused():
    with pytest.raises(ValueError, match="features"):
        losses.koleo(jnp.ones((1, 3)))
    with pytest.raises(ValueError, match="epsilon"):
        losses.koleo(jnp.ones((2, 3)), epsilon=0.0)
