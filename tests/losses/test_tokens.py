import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special

from sslax import losses


def test_masked_cross_entropy_is_a_mean_over_masked_places(rng):
    logits = rng.normal(size=(2, 3, 5)) * 3
    codes = rng.integers(0, 5, size=(2, 3))
    mask = np.asarray([[1, 0, 1], [0, 0, 1]])
    log_p = special.log_softmax(logits, axis=-1)
    terms = [-log_p[b, n, codes[b, n]] for b, n in np.argwhere(mask)]
    arrays = jnp.asarray(logits), jnp.asarray(codes), jnp.asarray(mask)
    np.testing.assert_allclose(
        losses.masked_cross_entropy(*arrays), np.mean(terms), rtol=1e-5
    )


@pytest.mark.parametrize("stray", [-1, 5])
def test_codes_out_of_range_are_left_out(stray, rng):
    logits, mask = jnp.asarray(rng.normal(size=(1, 3, 5))), jnp.ones((1, 3))
    loss = jax.value_and_grad(losses.masked_cross_entropy)
    value, gradient = loss(logits, jnp.asarray([[1, 2, stray]]), mask)
    want, _ = loss(logits[:, :2], jnp.asarray([[1, 2]]), mask[:, :2])
    np.testing.assert_allclose(value, want, rtol=1e-6)
    assert not np.any(gradient[0, 2])


def test_logit_laplace_is_a_density():
    def density(x, mean, log_scale):
        arrays = (jnp.full(1, v, jnp.float32) for v in (x, mean, log_scale))
        return np.exp(-losses.logit_laplace(*arrays)[0].item())

    x = np.linspace(1e-4, 1 - 1e-4, 4001)
    column = np.full(x.shape, -0.3, np.float32)
    nll = losses.logit_laplace(*(jnp.asarray(a) for a in (x, column, column)))
    mass = integrate.simpson(np.exp(-np.asarray(nll, np.float64)), x=x)
    np.testing.assert_allclose(mass, 1, atol=2e-3)
    b = np.exp(-1.0)
    want = np.exp(-abs(special.logit(0.2) - 0.4) / b) / (2 * b * 0.2 * 0.8)
    np.testing.assert_allclose(density(0.2, 0.4, -1.0), want, rtol=1e-5)


def test_logit_laplace_is_finite_at_black_white_and_absurd_scales():
    x = jnp.asarray([0.0, 1.0, 0.5, 0.5])
    scale = jnp.asarray([0.0, 0.0, 1e4, -1e4])
    loss = jax.value_and_grad(lambda *a: jnp.sum(losses.logit_laplace(*a)), (0, 1, 2))
    value, gradients = loss(x, 0 * x, scale)
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(g)) for g in gradients)


def test_map_pixels_and_back():
    x = jnp.linspace(0, 1, 7)
    mapped = losses.map_pixels(x)
    np.testing.assert_allclose([mapped.min(), mapped.max()], [0.1, 0.9], rtol=1e-6)
    np.testing.assert_allclose(losses.unmap_pixels(mapped), x, atol=1e-6)
    assert losses.unmap_pixels(jnp.asarray([0.0, 1.0])).tolist() == [0.0, 1.0]


def test_uniform_kl_is_zero_for_the_uniform_and_log_k_for_one_word():
    logits = jnp.asarray([[0.0, 0, 0, 0], [1e4, 0, 0, 0], [1.0, 2, 3, 4]])
    q = special.softmax([1.0, 2, 3, 4])
    want = [0, np.log(4), np.sum(q * np.log(4 * q))]
    np.testing.assert_allclose(losses.uniform_kl(logits), want, rtol=1e-5, atol=1e-6)


def test_bad_input_is_named():
    x, empty = jnp.ones((2, 3, 4)), jnp.ones((2, 3, 0))
    with pytest.raises(ValueError, match="codes"):
        losses.masked_cross_entropy(x, jnp.ones((2, 4), int), jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="empty"):
        losses.masked_cross_entropy(empty, jnp.ones((2, 3), int), jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="log_scale"):
        losses.logit_laplace(x, x[:1], x[:1])
    with pytest.raises(ValueError, match="epsilon"):
        losses.map_pixels(x, epsilon=0.5)
    with pytest.raises(ValueError, match="k >= 1"):
        losses.uniform_kl(jnp.ones((3, 0)))
