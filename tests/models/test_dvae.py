"""Discrete VAEs and their relaxed codes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import losses, models
from sslax.models._dalle import _conv

KEY = jax.random.key(0)


def shapes(net, *inputs):
    return jax.eval_shape(net.init, KEY, *inputs)


def test_initial_deviation_is_that_of_the_fan_in():
    conv = _conv("auto", None)(64, 3)
    params = conv.init(KEY, jnp.zeros((1, 3, 3, 128)))["params"]
    np.testing.assert_allclose(params["kernel"].std(), 1 / np.sqrt(9 * 128), rtol=0.02)
    assert not params["bias"].any()


def test_relaxed_codes():
    logits, noise = jax.random.normal(KEY, (2, 3, 5)), jax.random.gumbel(KEY, (2, 3, 5))
    soft = losses.gumbel_softmax(logits, noise, temperature=0.5)
    hard = losses.gumbel_softmax(logits, noise, temperature=0.5, straight_through=True)
    scores = 2 * (np.asarray(logits) + np.asarray(noise))
    want = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    np.testing.assert_allclose(soft, want, rtol=1e-5)
    np.testing.assert_array_equal(hard, np.eye(5)[want.argmax(-1)])

    def gradient(straight_through):
        def loss(logits):
            y = losses.gumbel_softmax(
                logits, noise, temperature=0.5, straight_through=straight_through
            )
            return jnp.sum(y * noise)

        return jax.grad(loss)(logits)

    np.testing.assert_allclose(gradient(True), gradient(False), rtol=1e-5, atol=1e-6)
    tiny = jax.grad(
        lambda z: losses.gumbel_softmax(z, z, temperature=1e-2)[0].astype(float).sum()
    )(jnp.array([3.0, -3.0], jnp.bfloat16))
    assert np.isfinite(tiny.astype(np.float32)).all()
    assert losses.gumbel_softmax(*[jnp.zeros(2, jnp.bfloat16)] * 2).dtype == jnp.float32
    scheduled = losses.gumbel_softmax(logits, noise, temperature=jnp.array(0.5))
    np.testing.assert_allclose(scheduled, soft, rtol=1e-6)


def test_draws_follow_the_distribution():
    logits = jnp.log(jnp.array([0.1, 0.2, 0.7]))
    noise = jax.random.gumbel(KEY, (20_000, 3))
    tiled = jnp.broadcast_to(logits, noise.shape)
    draws = losses.gumbel_softmax(tiled, noise, straight_through=True)
    np.testing.assert_allclose(draws.mean(0), [0.1, 0.2, 0.7], atol=0.012)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.dalle_encoder(width=6), "nearest are 4 and 8"),
        (lambda: models.dalle_decoder(width=6), "nearest are 4 and 8"),
        (
            lambda: losses.gumbel_softmax(jnp.ones(2), jnp.ones((1, 2))),
            "arrays must have one shape",
        ),
        (
            lambda: losses.gumbel_softmax(jnp.ones(2), jnp.ones(2), temperature=0),
            "temperature must be positive",
        ),
        (
            lambda: shapes(models.dalle_encoder(), jnp.zeros((1, 8, 12, 3))),
            "sides that 8 divides",
        ),
        (
            lambda: shapes(models.dvae_encoder(), jnp.zeros((1, 8, 12, 3))),
            "sides that 8 divides",
        ),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
