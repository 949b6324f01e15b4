"""BYOL: arXiv:2006.07733, equations 1 to 3."""

import jax
import numpy as np
import pytest

from sslax import methods, schedules
from sslax.core import Net
from sslax.methods import _byol
from sslax.methods._teacher import taught
from tests.methods.collapse import after_training
from tests.methods.following import dense, equal, flat, follow, linear, mlp, unit

MOMENTUM = schedules.cosine(start=0.7, end=1.0, steps=4)


def projection(view, nets):
    return mlp(flat(view, nets["encoder"]), nets["projector"])


def loss(params, extra, batch):
    """Each view predicts what the teacher makes of the other; one view, one pass."""
    total = 0.0
    for mine, other in (batch["views"], batch["views"][::-1]):
        q = unit(mlp(projection(mine, params), params["predictor"]))
        z = unit(projection(other, extra["teacher"]))
        total += np.sum((q - z) ** 2, axis=-1).mean()
    return total


def test_the_teacher_of_the_other_view_is_predicted_and_follows_by_average(rng):
    method = methods.byol(linear(5), hidden=12, dim=3, momentum=MOMENTUM)
    views = rng.normal(size=(3, 2, 8, 2, 2, 3))
    steps = follow(method, [{"views": tuple(pair)} for pair in views], loss)
    first, shared = steps[0].before, ("encoder", "projector")  # not the predictor
    equal(first.extra["teacher"], {name: first.params[name] for name in shared})
    kept = steps[0].after.extra["stats"]["projector"]["batch_stats"]["bn1"]["var"]
    layer, want = first.params["projector"]["linear1"], np.ones(12)
    for view in steps[0].batch["views"]:  # the variance of each view's own batch
        hidden = dense(flat(view, first.params["encoder"]), layer)
        want = 0.9 * want + 0.1 * hidden.var(0)
    np.testing.assert_allclose(kept, want, rtol=1e-6)
    for k, step in enumerate(steps):
        m = 1 - (1 - 0.7) * (np.cos(np.pi * k / 4) + 1) / 2
        old, student = step.before.extra["teacher"], step.after.params
        student = {name: student[name] for name in shared}
        equal(
            step.after.extra["teacher"],
            jax.tree.map(lambda t, s, m=m: m * t + (1 - m) * s, old, student),
        )


def without_predictor(nets, *rest, **options):
    """What `_teacher.taught` makes where nothing stands between the projections."""
    bare = Net(lambda key, x: ({}, {}), lambda params, stats, x, **_: (x, stats))
    return taught({**nets, "predictor": bare}, *rest, **options)


@pytest.mark.slow
def test_without_predictor_images_become_one_at_the_best_loss(monkeypatch):
    """Section 5: the slow teacher alone does not hold images apart."""

    def ending():
        method = methods.byol(linear(12), hidden=64, dim=16, momentum=0.99)
        return after_training(method, lambda found: found[0][0]["projector"])

    healthy = ending()
    monkeypatch.setattr(_byol, "taught", without_predictor)
    collapsed = ending()
    assert healthy.std > 0.6 > 0.1 > collapsed.std
    assert healthy.rank > 6 > 3 > collapsed.rank
    assert collapsed.loss < 0.05 < 0.8 < healthy.loss
