"""MoCo: arXiv:1911.05722, algorithm 1, with the head of arXiv:2003.04297."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, models
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


def embedding(view, nets):
    return unit(mlp(flat(view, nets["encoder"]), nets["projector"]))


def loss(params, extra, batch):
    """The first view asks; the teacher's key of the second against the old queue."""
    query, key = batch["views"]
    q, k = embedding(query, params), embedding(key, extra["teacher"])
    logits = [np.append(q[i] @ k[i], extra["queue"] @ q[i]) / 0.3 for i in range(BATCH)]
    return np.mean([cross_entropy(row, 0) for row in logits])


@pytest.fixture(params=[6, None], ids=["v2", "v1"])
def steps(rng, request):
    method = methods.moco(
        linear(5),
        hidden=request.param,
        dim=3,
        queue_size=QUEUE,
        momentum=M,
        temperature=0.3,
    )
    views = rng.normal(size=(3, 2, BATCH, 2, 2, 3))
    return follow(method, [{"views": tuple(pair)} for pair in views], loss)


@pytest.mark.parametrize(
    ("images", "count", "options", "message"),
    [
        (4, 3, {}, "the method takes 2 views of an image; got 3"),
        (4, 2, {"queue_size": 10}, "batch of 4 images; the nearest are 8 and 12"),
        (4, 2, {"temperature": 0.0}, "temperature must be positive and finite; got 0"),
    ],
)
def test_what_cannot_work_is_told_before_the_first_step(
    rng, images, count, options, message
):
    views = tuple(rng.normal(size=(count, images, 2, 2, 3)))

    def run():
        made = methods.moco(linear(5), dim=3, **{"queue_size": QUEUE, **options})
        trace(made, {"views": views})

    with pytest.raises(ValueError, match=message):
        run()


def test_keys_of_the_teacher_take_the_places_of_the_oldest_after_the_loss(steps):
    for k, step in enumerate(steps):
        before, after = step.before.extra, step.after.extra
        queue = before["queue"].copy()
        places = (k * BATCH + np.arange(BATCH)) % QUEUE  # 12 keys in 10 places
        queue[places] = embedding(step.batch["views"][1], before["teacher"])
        np.testing.assert_allclose(after["queue"], queue, rtol=1e-9)
        assert int(after["head"]) == (k + 1) * BATCH % QUEUE


def test_the_teacher_moves_after_the_student_and_by_nothing_else(steps):
    equal(steps[0].before.extra["teacher"], steps[0].before.params)
    for step in steps:
        old, student = step.before.extra["teacher"], step.after.params
        follower = jax.tree.map(lambda t, s: M * t + (1 - M) * s, old, student)
        equal(step.after.extra["teacher"], follower)


def test_only_keys_are_normalised_in_groups_of_a_shuffled_batch(rng):
    encoder = models.convnet(widths=(2,), bn_groups=2)
    method = methods.moco(encoder, hidden=None, dim=3, queue_size=QUEUE)
    batch = {"views": tuple(jnp.asarray(rng.normal(size=(2, BATCH, 4, 4, 1))))}
    params, extra = method.init(jax.random.key(0), batch)

    @jax.jit
    def statistics(key):
        _, aux = method.objectives["ssl"].loss(params, extra, batch, key=key, step=0)
        return aux.extra["stats"], aux.extra["teacher_stats"]

    runs = [statistics(jax.random.key(i)) for i in range(4)]
    queries, keys = (
        {
            tuple(np.round(stats["encoder"]["batch_stats"]["bn1"]["var"], 9).tolist())
            for stats in column
        }
        for column in zip(*runs, strict=True)
    )
    assert len(queries) == 1
    assert len(keys) > 1
