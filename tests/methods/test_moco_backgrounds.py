"""MoCo with a negative on the query's background: arXiv:2103.12719, section 3."""

import jax
import jax.numpy as jnp
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

BATCH, QUEUE, M = 4, 8, 0.8
HAS = np.array([True, False, True, False])


def made(**options):
    sizes = {"hidden": 6, "dim": 3, "queue_size": QUEUE, "momentum": M}
    return methods.moco_backgrounds(
        linear(5), **(sizes | {"temperature": 0.3} | options)
    )


def embedding(view, nets):
    return unit(mlp(flat(view, nets["encoder"]), nets["projector"]))


def loss(params, extra, batch):
    """The own negative stands beside the queue, for the images that have one."""
    query, key, opposite = batch["views"]
    q = embedding(query, params)
    k, n = (embedding(view, extra["teacher"]) for view in (key, opposite))
    total = 0.0
    for i in range(BATCH):
        others = [n[i] @ q[i]] if batch["has_negative"][i] else []
        row = np.array([q[i] @ k[i], *others, *(extra["queue"] @ q[i])])
        total += cross_entropy(row / 0.3, 0)
    return total / BATCH


def batches(rng):
    drawn = rng.normal(size=(3, 3, BATCH, 2, 2, 3))
    return [{"views": tuple(three), "has_negative": HAS} for three in drawn]


def test_three_steps_and_only_keys_enter_the_queue(rng):
    steps = follow(made(), batches(rng), loss)
    for k, step in enumerate(steps):
        before, after = step.before.extra, step.after.extra
        queue = before["queue"].copy()
        places = (k * BATCH + np.arange(BATCH)) % QUEUE
        queue[places] = embedding(step.batch["views"][1], before["teacher"])
        np.testing.assert_allclose(after["queue"], queue, rtol=1e-9)


def test_without_negatives_it_is_moco(rng):
    drawn = jnp.asarray(rng.normal(size=(3, BATCH, 2, 2, 3)))
    batch = {"views": tuple(drawn), "has_negative": jnp.zeros(BATCH, bool)}
    method = made()
    params, extra = method.init(jax.random.key(0), batch)
    plain = methods.moco(
        linear(5), hidden=6, dim=3, queue_size=QUEUE, momentum=M, temperature=0.3
    )

    def value(method, batch):
        options = {"key": jax.random.key(1), "step": 0}
        return method.objectives["ssl"].loss(params, extra, batch, **options)[0]

    two = {"views": batch["views"][:2]}
    np.testing.assert_allclose(value(method, batch), value(plain, two), rtol=1e-6)


@pytest.mark.parametrize(
    ("count", "more", "options", "message"),
    [
        (2, {"has_negative": HAS}, {}, "the method takes 3 views of an image; got 2"),
        (3, {}, {}, "needs 'has_negative' in a batch.*there are .'views'"),
        (3, {"has_negative": HAS}, {"queue_size": 10}, "the nearest are 8 and 12"),
        (
            3,
            {"has_negative": HAS},
            {"temperature": 0.0},
            "temperature must be positive",
        ),
    ],
)
def test_what_cannot_work_is_told_before_the_first_step(
    rng, count, more, options, message
):
    views = tuple(rng.normal(size=(count, BATCH, 2, 2, 3)))
    with pytest.raises(ValueError, match=message):
        trace(made(**options), {"views": views, **more})
