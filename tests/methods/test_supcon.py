"""SupCon: arXiv:2004.11362, equation 2."""

import jax.numpy as jnp
import numpy as np
import pytest

from sslax import losses, methods
from tests.methods.following import cross_entropy, follow, linear, projected, train

T, BASE = 0.5, 0.2


def loss(params, extra, batch):
    """Of each view: the mean over all views of its class, each against all others."""
    del extra
    z = np.concatenate(projected(params, batch["views"], together=True, norm=True))
    label, values = np.tile(batch["label"], 2), []
    for i in range(len(z)):
        others = np.delete(np.arange(len(z)), i)
        positives = np.flatnonzero(label[others] == label[i])
        terms = [cross_entropy(z[others] @ z[i] / T, p) for p in positives]
        values.append(np.mean(terms))
    return T / BASE * np.mean(values)


def method(**options):
    options = {"temperature": T, "base_temperature": BASE, **options}
    return methods.supcon(linear(5, norm=True), hidden=6, dim=3, **options)


def batches(rng, labels=((0, 1, 0, 0), (2, 2, 1, 1), (3, 1, 2, 0))):
    views = rng.normal(size=(len(labels), 2, 4, 2, 2, 3))
    return [
        {"views": tuple(v), "label": np.array(label)}
        for v, label in zip(views, labels, strict=True)
    ]


def test_three_steps_are_those_of_equation_2(rng):
    follow(method(), batches(rng), loss)


def test_with_a_class_for_each_image_it_is_simclr(rng):
    (step,) = train(method(base_temperature=T), batches(rng, [(0, 1, 2, 3)]))
    z = projected(step.before.params, step.batch["views"], together=True, norm=True)
    z1, z2 = map(jnp.asarray, z)
    value = losses.nt_xent(z1, z2, temperature=T)
    np.testing.assert_allclose(step.metrics["ssl/loss"], value, rtol=1e-6)


def test_a_batch_without_labels_is_refused_with_the_name_of_what_needs_none(rng):
    views = tuple(rng.normal(size=(2, 4, 2, 2, 3)))
    with pytest.raises(ValueError, match=r"needs labels: .*\['views'\]; simclr needs"):
        train(method(), [{"views": views}])


@pytest.mark.parametrize("name", ["temperature", "base_temperature"])
def test_what_makes_no_sense_is_said_at_once(name):
    with pytest.raises(ValueError, match=f"{name} must be positive and finite; got 0"):
        method(**{name: 0.0})
