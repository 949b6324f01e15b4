"""NCE of the pairs of a batch: JMLR 13:307-361, equations 4 to 8."""

import numpy as np
import pytest

from sslax import methods
from tests.methods.following import follow, linear, projected, train

T = 0.5


def chances(params, batch):
    """Of each view: how sure its pair is data, and its pairs with other images."""
    z = np.concatenate(projected(params, batch["views"], together=True, norm=True))
    density = np.exp(z @ z.T / T - params["normaliser"]["log_z"])
    count = len(z) // 2
    h = density / (density + 2 * count - 2)  # the density of the noise is 1
    for i in range(2 * count):
        others = [k for k in range(2 * count) if k % count != i % count]
        yield h[i, (i + count) % (2 * count)], h[i, others]


def loss(params, extra, batch):
    """Sums over the noise, the mean over the data."""
    del extra
    found = chances(params, batch)
    return np.mean([-np.log(data) - np.log(1 - noise).sum() for data, noise in found])


def method(**options):
    return methods.nce(
        linear(5, norm=True), hidden=6, dim=3, **{"temperature": T, **options}
    )


def batches(rng, count=3):
    image, noise = rng.normal(size=(2, count, 2, 4, 2, 2, 3))
    return [{"views": tuple(v)} for v in image[:, :1] + 0.5 * noise]


def test_three_steps_are_those_of_logistic_regression(rng):
    for step in follow(method(), batches(rng), loss):
        data, noise = zip(*chances(step.before.params, step.batch), strict=True)
        np.testing.assert_allclose(step.metrics["ssl/data"], np.mean(data), rtol=1e-9)
        np.testing.assert_allclose(step.metrics["ssl/noise"], np.mean(noise), rtol=1e-9)


def test_the_density_is_1_on_average_over_the_first_batch(rng):
    (step,) = train(method(), batches(rng, 1))
    params = step.before.params
    z = np.concatenate(projected(params, step.batch["views"], together=True, norm=True))
    pairs = np.exp(z @ z.T / T)[~np.eye(len(z), dtype=bool)]
    log_z = params["normaliser"]["log_z"]
    # Each positive counts once among its view's pairs, as here.
    np.testing.assert_allclose(log_z, np.log(pairs.mean()), rtol=1e-5)


def test_the_normaliser_is_where_data_and_noise_balance(rng):
    """The condition of its gradient, which a softmax has for each row by itself."""
    batch = batches(rng, 1)
    steps = train(method(), batch * 300, rate=0.05)
    found = chances(steps[-1].before.params, steps[-1].batch)
    missed, taken = zip(
        *((1 - data, noise.sum()) for data, noise in found), strict=True
    )
    np.testing.assert_allclose(np.mean(missed), np.mean(taken), rtol=0.05)


def test_a_temperature_that_makes_no_sense_is_said_at_once():
    with pytest.raises(ValueError, match=r"temperature must be positive.*got -0.1"):
        method(temperature=-0.1)
