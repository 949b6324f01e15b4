"""FlatNCE: arXiv:2107.01152, equation 8."""

import numpy as np
import pytest

from sslax import methods
from tests.methods.following import (
    cross_entropy,
    follow,
    linear,
    projected,
    train,
)

T = 0.5


def odds(params, batch):
    """Of each anchor: s/t of all outputs of other images, less that of its positive."""
    z = np.concatenate(projected(params, batch["views"], together=True, norm=True))
    s, count = z @ z.T / T, len(z) // 2
    for i in range(2 * count):
        others = [k for k in range(2 * count) if k % count != i % count]
        yield s[i, others] - s[i, (i + count) % (2 * count)]


def shown(params, extra, batch):
    """What is logged, the loss of SimCLR."""
    del extra
    rows = [np.concatenate([[0.0], row]) for row in odds(params, batch)]
    return np.mean([cross_entropy(row, 0) for row in rows])


def flat(params, extra, batch):
    """With v the logarithm here, e^(v - v held still) is 1; its slope is that of v."""
    del extra
    return np.mean([np.log(np.sum(np.exp(row))) for row in odds(params, batch)])


def method(**options):
    options = {"temperature": T, **options}
    return methods.flatnce(linear(5, norm=True), hidden=6, dim=3, **options)


def batches(rng, count=3):
    image, noise = rng.normal(size=(2, count, 2, 4, 2, 2, 3))
    return [{"views": tuple(v)} for v in image[:, :1] + 0.5 * noise]


def test_three_steps_go_down_the_flat_loss_and_show_that_of_simclr(rng):
    follow(method(), batches(rng), shown, slope=flat)


def test_a_positive_that_has_won_leaves_the_gradient_as_it_is(rng):
    """Close views, at a low temperature: SimCLR's gradient is almost nothing."""
    image, noise = rng.normal(size=(2, 2, 4, 2, 2, 3))
    batch = {"views": tuple(image[:1] + 1e-3 * noise)}
    options, moved = {"hidden": 6, "dim": 3, "temperature": 0.02}, {}
    for name in ("flatnce", "simclr"):
        (step,) = train(
            getattr(methods, name)(linear(5, norm=True), **options), [batch]
        )
        before, after = (s.params["encoder"]["w"] for s in (step.before, step.after))
        moved[name] = np.linalg.norm(after - before)
    assert moved["flatnce"] > 1e3 * moved["simclr"]


def test_a_temperature_that_makes_no_sense_is_said_at_once():
    with pytest.raises(ValueError, match=r"temperature must be positive.*got 0"):
        method(temperature=0)
