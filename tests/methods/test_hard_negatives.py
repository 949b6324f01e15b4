"""Contrast with hard negatives: arXiv:2010.04592, equations 4 and 5."""

import json

import numpy as np
import pytest

from configs import hard_negatives
from sslax import calls, methods, schedules
from sslax.schedules import Schedule
from tests.methods.following import equal, follow, linear, projected, train

T, TAU = 0.5, 0.1
# Two levels of two steps and then 0, one late: 2, 2, 2, 2, 1, 1, 0.
BETA = schedules.by_epoch(
    schedule=schedules.ramp(start=2.0, end=0.0, steps=2, delay=1), steps_per_epoch=2
)


def loss_at(beta):
    def loss(params, extra, batch):
        """Each anchor against all outputs of other images, by weights of mean 1."""
        del extra
        z = np.concatenate(projected(params, batch["views"], together=False))
        e, count, values = np.exp(z @ z.T / T), len(z) // 2, []
        for i in range(2 * count):
            others = [k for k in range(2 * count) if k % count != i % count]
            positive, negatives = e[i, (i + count) % (2 * count)], e[i, others]
            weights = negatives**beta / np.mean(negatives**beta)
            rest = np.sum(weights * negatives) - TAU * len(others) * positive
            rest = max(rest / (1 - TAU), len(others) * np.exp(-1 / T))
            values.append(-np.log(positive / (positive + rest)))
        return np.mean(values)

    return loss


def method(**options):
    options = {"temperature": T, "tau_plus": TAU, **options}
    return methods.hard_negatives(linear(5), hidden=6, dim=3, **options)


def batches(rng, count=3):
    image, noise = rng.normal(size=(2, count, 2, 4, 2, 2, 3))
    return [{"views": tuple(v)} for v in image[:, :1] + 0.5 * noise]


def test_three_steps_are_those_of_equation_5(rng):
    follow(method(beta=2.0), batches(rng), loss_at(2.0))


def test_beta_follows_its_schedule(rng):
    steps = train(method(beta=BETA), batches(rng, 7))
    for step, beta in zip(steps, (2, 2, 2, 2, 1, 1, 0), strict=True):
        value = loss_at(beta)(step.before.params, {}, step.batch)
        np.testing.assert_allclose(step.metrics["ssl/loss"], value, rtol=1e-6)


def test_the_recipe_anneals_in_nine_levels_one_late():
    config = hard_negatives.get_config("stl10_annealed")
    call = config.to_dict()["method"]["beta"]
    beta = calls.build(
        json.loads(json.dumps(call, default=lambda r: r.get())), Schedule
    )
    epochs = {0: 1.0, 87: 1.0, 88: 0.875, 132: 0.75, 395: 0.125, 396: 0.0, 399: 0.0}
    for epoch, value in epochs.items():
        assert float(beta(epoch * config.steps_per_epoch)) == pytest.approx(value)


def test_without_a_taste_for_hard_ones_it_is_debiased(rng):
    data, options = batches(rng), {"temperature": T, "tau_plus": TAU}
    debiased = methods.debiased(linear(5), hidden=6, dim=3, **options)
    steps = [train(m, data)[-1] for m in (method(beta=0.0), debiased)]
    equal(steps[0].after.params, steps[1].after.params)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": -1.0}, "beta must be 0 or more; got -1.0"),
        ({"beta": schedules.constant(value=-2.0)}, "beta.*got -2.0"),
        ({"tau_plus": -0.1}, r"tau_plus must be in \[0, 1\); got -0.1"),
        ({"temperature": -1.0}, "temperature must be positive and finite; got -1.0"),
    ],
)
def test_what_makes_no_sense_is_said_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        method(**options)
