"""MoCo v3: arXiv:2104.02057, algorithm 1."""

import jax
import numpy as np
import pytest

from sslax import methods, schedules
from tests.methods.following import (
    batch_norm,
    cross_entropy,
    dense,
    equal,
    flat,
    follow,
    linear,
    mlp,
    unit,
)

MOMENTUM = schedules.cosine(start=0.7, end=1.0, steps=4)


def plain(x):
    """Batch norm without scale and offset."""
    return batch_norm(x, {})


def projection(view, nets):
    return plain(mlp(flat(view, nets["encoder"]), nets["projector"]))


def loss_of(temperature, last):
    """Each view finds its key among those of the other view; one view, one pass."""

    def loss(params, extra, batch):
        total = 0.0
        for mine, other in (batch["views"], batch["views"][::-1]):
            q = unit(last(mlp(projection(mine, params), params["predictor"])))
            k = unit(projection(other, extra["teacher"]))
            rows = [cross_entropy(x, i) for i, x in enumerate(q @ k.T / temperature)]
            total += 2 * temperature * np.mean(rows)
        return total

    return loss


@pytest.mark.parametrize(
    ("options", "last"),
    [
        ({"depth": 3, "temperature": 0.2}, plain),
        ({"depth": 2, "temperature": 1.0, "predictor_norm": False}, lambda x: x),
    ],
    ids=["transformer", "resnet"],
)
def test_views_find_each_other_in_the_batch_and_the_teacher_follows(rng, options, last):
    method = methods.moco_v3(linear(5), hidden=12, dim=3, momentum=MOMENTUM, **options)
    views = rng.normal(size=(3, 2, 8, 2, 2, 3))
    batches = [{"views": tuple(pair)} for pair in views]
    steps = follow(method, batches, loss_of(options["temperature"], last))
    first, shared = steps[0].before, ("encoder", "projector")  # not the predictor
    equal(first.extra["teacher"], {name: first.params[name] for name in shared})
    second = steps[1].before  # when the two are no longer the same
    check_statistics("stats", second.params, steps[1])
    check_statistics("teacher_stats", second.extra["teacher"], steps[1])
    for k, step in enumerate(steps, start=1):  # the average of the next step, ahead
        m = 1 - (1 - 0.7) * (np.cos(np.pi * k / 4) + 1) / 2
        old, student = step.before.extra["teacher"], step.after.params
        student = {name: student[name] for name in shared}
        equal(
            step.after.extra["teacher"],
            jax.tree.map(lambda t, s, m=m: m * t + (1 - m) * s, old, student),
        )


def check_statistics(where, nets, step):
    """The variance of each view's own batch, in the net that saw it."""

    def kept(state):
        return state.extra[where]["projector"]["batch_stats"]["bn1"]["var"]

    want = kept(step.before)
    for view in step.batch["views"]:
        hidden = dense(flat(view, nets["encoder"]), nets["projector"]["linear1"])
        want = 0.9 * want + 0.1 * hidden.var(0, ddof=1)
    np.testing.assert_allclose(kept(step.after), want, rtol=1e-6)


def test_mistakes_are_told_before_the_first_step(rng):
    with pytest.raises(ValueError, match=r"temperature must be positive.*got 0"):
        methods.moco_v3(linear(5), temperature=0.0)
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\]; got 1.5"):
        methods.moco_v3(linear(5), momentum=1.5)
    method = methods.moco_v3(linear(5), hidden=12, dim=3)
    image = rng.normal(size=(1, 2, 2, 3))
    for views, said in [((image,) * 2, "2 or more"), ((image,) * 3, "2 views.*got 3")]:
        with pytest.raises(ValueError, match=said):
            jax.eval_shape(method.init, jax.random.key(0), {"views": views})
