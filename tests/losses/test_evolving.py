import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from sslax import losses

RNG = np.random.default_rng(0)
PRESENT = np.asarray([1, 0, 1, 1])


def both(function, *arrays):
    """Without a mask, and with one."""
    arrays = [jnp.asarray(x) for x in arrays]
    return function(*arrays), function(*arrays, jnp.asarray(PRESENT))


def check(got, terms):
    want = np.mean(terms), np.mean(terms[PRESENT == 1])
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_terms_are_means_over_the_examples_that_have_the_modality(rng):
    x, y, n = rng.normal(size=(3, 4, 5))
    clip, other = rng.normal(size=(2, 4, 3, 2, 2))
    square = ((clip - other) ** 2).reshape(4, -1)
    check(both(losses.evolving_reconstruction, clip, other), square.mean(1))
    rms = np.sqrt(square.mean(1))
    check(both(losses.evolving_distillation, clip, other), rms)
    near = np.linalg.norm(x - y, axis=1)
    far = np.maximum(0, 3.0 - np.linalg.norm(x - n, axis=1))

    def contrast(*arrays):
        return losses.cross_modal_contrast(*arrays, margin=3.0)

    check(both(contrast, x, y, n), near + far)
    labels = np.asarray([0, 1, 1, 0])
    likelihood = np.where(labels, special.expit(x[:, 0]), special.expit(-x[:, 0]))
    check(both(losses.evolving_detection, x[:, 0], labels), -np.log(likelihood))


def test_no_example_at_all_gives_zero():
    x, none = jnp.ones((4, 5)), jnp.zeros(4)
    assert losses.evolving_reconstruction(x, 0 * x, none) == 0
    assert losses.cross_modal_contrast(x, x, x, none) == 0


def test_what_is_absent_may_be_anything():
    x = jnp.asarray([[1.0], [jnp.nan]])
    value, gradient = jax.value_and_grad(losses.evolving_reconstruction)(
        x, 0 * x, jnp.asarray([1, 0])
    )
    assert value == 1
    assert gradient[0] == 2


def test_equal_vectors_are_smooth():
    x = jnp.ones((4, 5))
    gradients = jax.grad(losses.cross_modal_contrast, argnums=(0, 1, 2))(x, x, x)
    assert not any(np.any(g) for g in gradients)
    assert not np.any(jax.grad(losses.evolving_distillation)(x, x))


def test_zipf_fitness_is_the_paper_s(rng):
    x, c = rng.normal(size=(9, 3)), rng.normal(size=(4, 3))
    square = np.sum((x[:, None] - c[None]) ** 2, axis=-1)
    p = special.softmax(-square, axis=1).mean(0)
    p = np.sort(p)[::-1]
    q = 1 / np.arange(1, 5) ** 1.5
    q /= q.sum()
    got = losses.zipf_fitness(jnp.asarray(x), jnp.asarray(c), exponent=1.5)
    np.testing.assert_allclose(got, -np.sum(p * np.log(p / q)), rtol=1e-4)
    again = losses.zipf_fitness(jnp.asarray(x), jnp.asarray(c[::-1]), exponent=1.5)
    np.testing.assert_allclose(got, again, rtol=1e-5)


def test_collapse_is_less_fit_than_clusters_that_follow_zipf():
    centres = 100 * jnp.eye(4)
    sizes = [12, 6, 4, 3]
    features = jnp.repeat(centres, np.asarray(sizes), axis=0, total_repeat_length=25)
    assert losses.zipf_fitness(features, centres) > -1e-5
    collapsed = losses.zipf_fitness(0 * features, 0 * centres)
    one = losses.zipf_fitness(features * 0 + centres[:1], centres)
    assert np.isfinite(one)
    assert collapsed < -0.1
    assert one < -0.1


def test_bad_input_is_named():
    x = jnp.ones((4, 5))
    with pytest.raises(ValueError, match="present"):
        losses.evolving_reconstruction(x, x, jnp.ones(3))
    with pytest.raises(ValueError, match="labels"):
        losses.evolving_detection(x[:, 0], jnp.ones(3))
    with pytest.raises(ValueError, match="margin"):
        losses.cross_modal_contrast(x, x, x, margin=0.0)
    with pytest.raises(ValueError, match="exponent"):
        losses.zipf_fitness(x, x, exponent=-1.0)
    with pytest.raises(ValueError, match="empty"):
        losses.evolving_distillation(x[:0], x[:0])
