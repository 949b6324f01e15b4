"""Debiased contrastive learning: arXiv:2007.00224, equations 7 and 8."""

import jax.numpy as jnp
import numpy as np
import pytest

from sslax import losses, methods
from tests.methods.following import follow, linear, projected, train

T, TAU = 0.5, 0.1


def terms(params, views):
    """Of each anchor: e^{s/t} of the positive, and of all outputs of other images."""
    z = np.concatenate(projected(params, views, together=False))
    e, count = np.exp(z @ z.T / T), len(z) // 2
    for i in range(2 * count):
        others = [k for k in range(2 * count) if k % count != i % count]
        yield e[i, (i + count) % (2 * count)], e[i, others]


def denominator(positive, negatives):
    """What is left of the negatives, and the least that it can be."""
    count = len(negatives)
    corrected = (negatives.sum() - TAU * count * positive) / (1 - TAU)
    return corrected, count * np.exp(-1 / T)


def loss(params, extra, batch):
    del extra
    found = terms(params, batch["views"])
    return np.mean([-np.log(p / (p + max(denominator(p, n)))) for p, n in found])


def method(**options):
    options = {"temperature": T, "tau_plus": TAU, **options}
    return methods.debiased(linear(5), hidden=6, dim=3, **options)


def batches(rng, count=3):
    """Views that are alike, so that for some anchors the floor holds."""
    image, noise = rng.normal(size=(2, count, 2, 4, 2, 2, 3))
    return [{"views": tuple(v)} for v in image[:, :1] + 0.3 * noise]


def test_three_steps_are_those_of_equation_8(rng):
    steps = follow(method(), batches(rng), loss)
    found = [
        denominator(p, n)
        for step in steps
        for p, n in terms(step.before.params, step.batch["views"])
    ]
    active = [corrected < floor for corrected, floor in found]
    assert True in active
    assert False in active


def test_each_view_has_batch_statistics_of_its_own(rng):
    (step,) = train(method(), batches(rng, 1))
    params, want = step.before.params, np.zeros(6)
    for view in step.batch["views"]:
        features = view.reshape(4, -1) @ params["encoder"]["w"]
        hidden = features @ params["projector"]["linear1"]["kernel"]
        want = 0.9 * want + 0.1 * hidden.mean(0)
    kept = step.after.extra["stats"]["projector"]["batch_stats"]["bn1"]["mean"]
    np.testing.assert_allclose(kept, want, rtol=1e-6, atol=1e-9)


def test_without_false_negatives_it_is_the_loss_of_simclr(rng):
    (step,) = train(method(tau_plus=0), batches(rng, 1))
    z1, z2 = projected(step.before.params, step.batch["views"], together=False)
    value = losses.nt_xent(jnp.asarray(z1), jnp.asarray(z2), temperature=T)
    np.testing.assert_allclose(step.metrics["ssl/loss"], value, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau_plus": 1.0}, r"tau_plus must be in \[0, 1\); got 1.0"),
        ({"temperature": 0.0}, "temperature must be positive and finite; got 0.0"),
    ],
)
def test_what_makes_no_sense_is_said_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        method(**options)
