"""NNCLR: arXiv:2104.14548, equations 2 to 4."""

import numpy as np
import pytest

from sslax import methods
from tests.methods.following import (
    cross_entropy,
    flat,
    follow,
    linear,
    mlp,
    trace,
    unit,
)

BATCH, QUEUE = 4, 10


def projection(view, nets):
    """Batch norm ends the projector, with scale and offset."""
    return mlp(flat(view, nets["encoder"]), nets["projector"])


def neighbours(z, queue):
    return np.array([queue[np.argmax([q @ row for q in queue])] for row in unit(z)])


def loss(params, extra, batch):
    """Neighbours are rows, predictions of the other view columns."""
    z1, z2 = (projection(view, params) for view in batch["views"])
    p1, p2 = (unit(mlp(z, params["predictor"])) for z in (z1, z2))
    total = 0.0
    for z, p in ((z1, p2), (z2, p1)):
        near = neighbours(z, extra["queue"])
        total += np.mean([cross_entropy(p @ near[i] / 0.3, i) for i in range(BATCH)])
    return total / 2


def made(**options):
    sizes = {"hidden": 7, "dim": 3, "predictor_hidden": 5, "queue_size": QUEUE}
    return methods.nnclr(linear(5), **(sizes | {"temperature": 0.3} | options))


@pytest.fixture
def steps(rng):
    drawn = rng.normal(size=(3, 2, BATCH, 2, 2, 3))
    return follow(made(), [{"views": tuple(pair)} for pair in drawn], loss)


def test_projections_of_the_first_view_replace_the_oldest_after_the_search(steps):
    for k, step in enumerate(steps):
        before, after = step.before.extra, step.after.extra
        queue = before["queue"].copy()
        z = unit(projection(step.batch["views"][0], step.before.params))
        cosine = np.sum(z * neighbours(z, queue), axis=1).mean()
        np.testing.assert_allclose(step.metrics["ssl/neighbour"], cosine, rtol=1e-9)
        queue[(k * BATCH + np.arange(BATCH)) % QUEUE] = z  # 12 in 10 places
        np.testing.assert_allclose(after["queue"], queue, rtol=1e-9)
        assert int(after["head"]) == (k + 1) * BATCH % QUEUE


def test_the_queue_starts_as_directions(steps):
    queue = steps[0].before.extra["queue"]
    assert queue.shape == (QUEUE, 3)
    np.testing.assert_allclose(np.linalg.norm(queue, axis=1), 1.0, rtol=1e-6)


def test_each_view_has_statistics_of_its_own(steps):
    step, want = steps[0], np.zeros(7)
    kernel = step.before.params["projector"]["linear1"]["kernel"]
    for view in step.batch["views"]:
        x = flat(view, step.before.params["encoder"]) @ kernel
        want = 0.9 * want + 0.1 * x.mean(0)
    kept = step.after.extra["stats"]["projector"]["batch_stats"]
    np.testing.assert_allclose(kept["bn1"]["mean"], want, rtol=1e-6)
    assert set(kept) == {"bn1", "bn2", "bn3"}


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((2, 1, 2, 2, 3), "2 or more rows"),
        ((3, 4, 2, 2, 3), "2 views of an image"),
        ((2, QUEUE + 1, 2, 2, 3), "do not fit the queue"),
    ],
)
def test_what_only_the_batch_shows_is_said_before_the_first_step(shape, said):
    with pytest.raises(ValueError, match=said):
        trace(made(), {"views": tuple(np.ones(shape))})


@pytest.mark.parametrize("name", ["temperature", "queue_size", "predictor_hidden"])
def test_sizes_and_temperature_are_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be positive and finite; got 0"):
        made(**{name: 0})
