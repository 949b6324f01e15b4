import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from sslax import losses


def test_counting_hinges_once_per_pair(rng):
    whole, other = rng.uniform(0, 2, size=(2, 6, 5))
    tiles = rng.uniform(0, 1, size=(6, 4, 5))
    terms = []
    for c, o, t in zip(whole, other, tiles, strict=True):
        far = np.sum((o - t.sum(0)) ** 2)
        terms.append(np.sum((c - t.sum(0)) ** 2) + max(0.0, 4.0 - far))
    arrays = [jnp.asarray(x) for x in (whole, other, tiles)]
    got = losses.counting(*arrays, margin=4.0)
    np.testing.assert_allclose(got, np.mean(terms), rtol=1e-5)


def test_counts_that_are_all_zero_cost_the_margin():
    zero = jnp.zeros((3, 5))
    assert losses.counting(zero, zero, jnp.zeros((3, 4, 5)), margin=10.0) == 10


def test_gradient_reaches_all_branches_of_counting(rng):
    arrays = [jnp.asarray(rng.uniform(size=s)) for s in [(2, 3), (2, 3), (2, 4, 3)]]
    loss = functools.partial(losses.counting, margin=100.0)  # no hinge is at rest
    gradients = jax.grad(loss, argnums=(0, 1, 2))(*arrays)
    assert all(np.all(np.any(g != 0, axis=-1)) for g in gradients)


def test_labels_invert_the_shuffle(rng):
    images, parts = 3, 4
    permutation = rng.permutation(images * parts)
    patches = [(part, image) for part in range(parts) for image in range(images)]
    cluster, location = losses.jigsaw_clustering_labels(jnp.asarray(permutation))
    for place, patch in enumerate(permutation):
        assert patches[patch] == (location[place], cluster[place])


def test_supclu_averages_partners_outside_the_log(rng):
    z = rng.normal(size=(6, 4))
    labels = np.asarray([0, 1, 0, 1, 0, 2])
    logits = z @ z.T / 0.3
    terms = []
    for i in range(6):
        others = [a for a in range(6) if a != i]
        log_p = special.log_softmax(logits[i, others])
        partners = [k for k, a in enumerate(others) if labels[a] == labels[i]]
        terms.append(-np.mean(log_p[partners]) if partners else 0.0)
    want = 0.3 / 0.07 * np.mean(terms)
    got = losses.supclu(jnp.asarray(z), jnp.asarray(labels))
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_supclu_of_unit_vectors_is_supcon_times_the_factor(rng):
    z = rng.normal(size=(4, 2, 3))
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    want = losses.supcon(jnp.asarray(z), jnp.arange(4), temperature=0.2) * 0.2 / 0.07
    flat, labels = jnp.asarray(z.reshape(8, 3)), jnp.repeat(jnp.arange(4), 2)
    got = losses.supclu(flat, labels, temperature=0.2)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_jigsaw_clustering_adds_the_location(rng):
    z, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 4))
    permutation = rng.permutation(8)
    log_p = special.log_softmax(y, axis=-1)
    location = -np.mean([log_p[k, p // 2] for k, p in enumerate(permutation)])
    u = jnp.asarray(z / np.linalg.norm(z, axis=-1, keepdims=True))
    clustering = losses.supclu(u, jnp.asarray(permutation % 2))
    arrays = [jnp.asarray(x) for x in (5 * z, y, permutation)]
    got = losses.jigsaw_clustering(*arrays, cluster_weight=0.5, location_weight=2.0)
    np.testing.assert_allclose(got, 0.5 * clustering + 2 * location, rtol=1e-5)


def test_bad_input_is_named():
    x, tiles = jnp.ones((2, 3)), jnp.ones((2, 4, 3))
    with pytest.raises(ValueError, match="tiles"):
        losses.counting(x, x, jnp.ones((3, 4, 3)))
    with pytest.raises(ValueError, match="margin"):
        losses.counting(x, x, tiles, margin=-1.0)
    with pytest.raises(ValueError, match="multiple of parts"):
        losses.jigsaw_clustering_labels(jnp.arange(6), parts=4)
    with pytest.raises(ValueError, match="temperature"):
        losses.supclu(x, jnp.arange(2), temperature=0.0)
    with pytest.raises(ValueError, match="embeddings"):
        losses.supclu(x[:1], jnp.arange(1))
    with pytest.raises(ValueError, match="labels"):
        losses.supclu(x, jnp.arange(3))
    with pytest.raises(ValueError, match="permutation"):
        losses.jigsaw_clustering(jnp.ones((4, 3)), jnp.ones((4, 4)), jnp.arange(8))
