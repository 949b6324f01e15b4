"""SimCLR with a memory: arXiv:2006.10029, section 2."""

import jax
import numpy as np
import pytest

from sslax import methods
from tests.methods.following import (
    cross_entropy,
    equal,
    flat,
    follow,
    linear,
    mlp,
    trace,
    unit,
)

BATCH, QUEUE, M = 4, 8, 0.8


def made(**options):
    sizes = {"hidden": 7, "dim": 3, "depth": 2, "queue_size": QUEUE, "momentum": M}
    return methods.simclr_memory(
        linear(5), **(sizes | {"temperature": 0.3, "scale": 2.0} | options)
    )


def projection(images, nets):
    return unit(mlp(flat(images, nets["encoder"]), nets["projector"]))


def loss(params, extra, batch):
    """Both views pass the nets at once; each row is told from 2b - 2 and the queue."""
    z = projection(np.concatenate(batch["views"]), params)
    total = []
    for i in range(2 * BATCH):
        partner = (i + BATCH) % (2 * BATCH)
        others = [z[j] for j in range(2 * BATCH) if j not in (i, partner)]
        row = np.stack([z[partner], *others, *extra["queue"]])
        total.append(cross_entropy(row @ z[i] / 0.3, 0))
    return 2.0 * np.mean(total)


@pytest.fixture
def steps(rng):
    views = rng.normal(size=(3, 2, BATCH, 2, 2, 3))
    return follow(made(), [{"views": tuple(pair)} for pair in views], loss)


def test_the_teachers_second_views_replace_the_oldest_after_the_loss(steps):
    for k, step in enumerate(steps):
        before, after = step.before.extra, step.after.extra
        queue = before["queue"].copy()
        places = (k * BATCH + np.arange(BATCH)) % QUEUE  # 12 in 8 places
        queue[places] = projection(step.batch["views"][1], before["teacher"])
        np.testing.assert_allclose(after["queue"], queue, rtol=1e-9)
        assert int(after["head"]) == (k + 1) * BATCH % QUEUE


def test_the_teacher_follows_the_student(steps):
    equal(steps[0].before.extra["teacher"], steps[0].before.params)
    for step in steps:
        old, student = step.before.extra["teacher"], step.after.params
        follower = jax.tree.map(lambda t, s: M * t + (1 - M) * s, old, student)
        equal(step.after.extra["teacher"], follower)


@pytest.mark.parametrize(
    ("images", "count", "options", "message"),
    [
        (4, 3, {}, "the method takes 2 views of an image; got 3"),
        (1, 2, {}, "view 0 must have 2 or more rows; got the shape .1, "),
        (4, 2, {"queue_size": 10}, "batch of 4 images; the nearest are 8 and 12"),
        (4, 2, {"temperature": 0.0}, "temperature must be positive and finite; got 0"),
        (4, 2, {"scale": 0.0}, "scale must be positive and finite; got 0"),
    ],
)
def test_what_cannot_work_is_told_before_the_first_step(
    rng, images, count, options, message
):
    views = tuple(rng.normal(size=(count, images, 2, 2, 3)))
    with pytest.raises(ValueError, match=message):
        trace(made(**options), {"views": views})
