"""Alignment and uniformity: arXiv:2005.10242, sections 4.1 and 5."""

import numpy as np
import pytest

from sslax import methods
from tests.methods.following import follow, linear, projected, train

ALPHA, T, NEAR, EVEN = 3.0, 2.5, 0.7, 1.3


def parts(params, batch):
    """Distances of pairs; the potential of each view, without pairs of views in it."""
    x, y = projected(params, batch["views"], together=True, norm=True)
    near = np.mean(np.linalg.norm(x - y, axis=1) ** ALPHA)
    even = 0.0
    for z in (x, y):
        pairs = [(i, j) for i in range(len(z)) for j in range(i)]
        potentials = [np.exp(-T * np.sum((z[i] - z[j]) ** 2)) for i, j in pairs]
        even += np.log(np.mean(potentials)) / 2
    return near, even


def loss(params, extra, batch):
    del extra
    near, even = parts(params, batch)
    return NEAR * near + EVEN * even


def method(**options):
    given = {"alpha": ALPHA, "t": T, "align_weight": NEAR, "uniform_weight": EVEN}
    return methods.align_uniform(linear(5, norm=True), dim=3, **{**given, **options})


def batches(rng, count=3):
    return [{"views": tuple(rng.normal(size=(2, 4, 2, 2, 3)))} for _ in range(count)]


def test_three_steps_are_those_of_both_losses(rng):
    for step in follow(method(), batches(rng), loss):
        near, even = parts(step.before.params, step.batch)
        np.testing.assert_allclose(step.metrics["ssl/alignment"], near, rtol=1e-9)
        np.testing.assert_allclose(step.metrics["ssl/uniformity"], even, rtol=1e-9)


def test_views_that_agree_are_only_spread(rng):
    """No image is pushed from its other view: a pair that lies together stays."""
    view = rng.normal(size=(4, 2, 2, 3))
    steps = train(method(alpha=2.0), [{"views": (view, view)}] * 30)
    assert all(step.metrics["ssl/alignment"] < 1e-20 for step in steps)
    assert steps[-1].metrics["ssl/uniformity"] < steps[0].metrics["ssl/uniformity"]


@pytest.mark.parametrize("name", ["alpha", "t", "align_weight", "uniform_weight"])
def test_what_makes_no_sense_is_said_at_once(name):
    with pytest.raises(ValueError, match=rf"{name} must be positive and finite; got 0"):
        method(**{name: 0.0})
