import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from sslax import losses

RNG = np.random.default_rng(0)
CENTRES = np.stack(np.meshgrid([-10.0, 0, 10, 20], [0.0, 10, 20]), -1).reshape(-1, 2)


@pytest.mark.parametrize("neighbours", [1, 5, 12])
def test_soft_encode_is_a_gaussian_over_the_nearest_bins(neighbours, rng):
    colours = rng.uniform(-15, 30, size=(2, 3, 2))
    want = np.zeros((2, 3, 12))
    for index in np.ndindex(2, 3):
        square = np.sum((colours[index] - CENTRES) ** 2, axis=1)
        nearest = np.argsort(square)[:neighbours]
        want[index][nearest] = np.exp(-square[nearest] / 50)
        want[index] /= want[index].sum()
    got = losses.soft_encode(jnp.asarray(colours), CENTRES, neighbours=neighbours)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-7)


def test_a_colour_far_from_all_bins_has_a_code():
    code = losses.soft_encode(jnp.asarray([500.0, 400.0]), CENTRES)
    np.testing.assert_allclose(jnp.sum(code), 1, rtol=1e-6)
    assert np.argmax(code) == 11


def test_smoothing_keeps_the_sum_and_spreads(rng):
    prior = np.eye(12)[0]
    smooth = losses.smooth_prior(jnp.asarray(prior), CENTRES)
    weight = np.exp(-np.sum((CENTRES - CENTRES[0]) ** 2, axis=1) / 50)
    np.testing.assert_allclose(smooth, weight / weight.sum(), rtol=1e-4, atol=1e-7)
    other = rng.dirichlet(np.ones(12))
    np.testing.assert_allclose(
        jnp.sum(losses.smooth_prior(jnp.asarray(other), CENTRES)), 1, rtol=1e-5
    )


@pytest.mark.parametrize(("uniform", "alpha"), [(0.5, 1.0), (1.0, 1.0), (0.1, 0.5)])
def test_rebalancing_weights_have_mean_one_under_the_prior(uniform, alpha):
    prior = np.asarray([0.7, 0.3, 0.0])
    raw = ((1 - uniform) * prior + uniform / 3) ** -alpha
    want = raw / np.sum(prior * raw)
    got = losses.rebalancing_weights(jnp.asarray(prior), uniform=uniform, alpha=alpha)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_colorization_sums_pixels_and_averages_images(rng):
    logits, code = rng.normal(size=(2, 2, 3, 12)), rng.dirichlet(np.ones(12), (2, 2, 3))
    weights = rng.uniform(size=(2, 2, 3))
    entropy = -np.sum(code * special.log_softmax(logits, axis=-1), axis=-1)
    arrays = [jnp.asarray(x) for x in (logits, code, weights)]
    value, gradient = jax.value_and_grad(losses.colorization)(*arrays)
    np.testing.assert_allclose(value, np.sum(weights * entropy) / 2, rtol=1e-5)
    released = jax.value_and_grad(
        lambda logits: losses.colorization(logits, *arrays[1:], rescale_gradient=True)
    )
    plain, same = released(arrays[0])
    np.testing.assert_allclose(plain, np.sum(entropy) / 2, rtol=1e-5)
    np.testing.assert_allclose(same, gradient, rtol=1e-6)


def test_pixel_weights_and_colour_mask():
    code = jnp.asarray([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    weights = losses.pixel_weights(code, jnp.asarray([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(weights, [2.0, 1.0])
    ab = np.zeros((3, 2, 2, 2), np.float32)
    ab[0, 1, 1, 0], ab[1, 0, 0, 1] = 5.5, -5.5
    np.testing.assert_array_equal(losses.colour_mask(jnp.asarray(ab)), [1, 1, 0])


def test_annealed_mean_lies_between_mean_and_mode(rng):
    logits = rng.normal(size=(2, 3, 12)) * 2
    p = special.softmax(logits / 0.38, axis=-1)
    got = losses.annealed_mean(jnp.asarray(logits), CENTRES)
    np.testing.assert_allclose(got, p @ CENTRES, rtol=1e-4, atol=1e-4)
    cold = losses.annealed_mean(jnp.asarray(logits), CENTRES, temperature=1e-6)
    np.testing.assert_allclose(cold, CENTRES[np.argmax(logits, axis=-1)], atol=1e-4)


def test_the_prior_alone_weighs_every_bin_that_occurs():
    prior = jnp.array([0.5, 0.3, 0.2, 0.0])
    got = losses.rebalancing_weights(prior, uniform=0.0, alpha=2.0)
    want = np.array([4.0, 1 / 0.09, 25.0, 0.0])
    np.testing.assert_allclose(got, want / (0.5 * 4 + 0.3 / 0.09 + 5), rtol=1e-5)
    slope = jax.grad(lambda p: losses.rebalancing_weights(p, uniform=0.0)[0])(prior)
    assert np.all(np.isfinite(slope))


def test_bad_input_is_named():
    colours, code = jnp.ones((2, 3, 2)), jnp.ones((1, 2, 3, 12))
    with pytest.raises(ValueError, match=r"\[1, 12\]"):
        losses.soft_encode(colours, CENTRES, neighbours=13)
    with pytest.raises(ValueError, match="sigma"):
        losses.soft_encode(colours, CENTRES, sigma=0.0)
    with pytest.raises(ValueError, match="centres"):
        losses.annealed_mean(code, np.ones((12, 3), np.float32))
    with pytest.raises(ValueError, match="uniform"):
        losses.rebalancing_weights(jnp.ones(3) / 3, uniform=-0.1)
    with pytest.raises(ValueError, match="alpha"):
        losses.rebalancing_weights(jnp.ones(3) / 3, alpha=-1.0)
    with pytest.raises(ValueError, match="weights"):
        losses.pixel_weights(code, jnp.ones(11))
    with pytest.raises(ValueError, match="weights"):
        losses.colorization(code, code, jnp.ones((1, 3, 2)))
    with pytest.raises(ValueError, match="colours"):
        losses.colour_mask(jnp.ones((1, 2, 3, 3)))
    with pytest.raises(ValueError, match="temperature"):
        losses.annealed_mean(code, CENTRES, temperature=0.0)
