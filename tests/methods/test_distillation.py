"""Distillation: arXiv:2006.10029, equations 2 and 3."""

import jax
import numpy as np
import pytest

from sslax import methods
from tests.methods.following import cross_entropy, dense, equal, flat, follow, linear
from tests.methods.test_classifier import CLASSES, batches, counted


def loss_of(temperature, weight):
    """t^2 CE(teacher / t, student / t), and the labels' share."""

    def logits(tree, batch):
        features = flat(batch["views"][0], tree["encoder"])
        return dense(features, tree["classifier"]["linear1"])

    def loss(params, extra, batch):
        student, taught = (logits(t, batch) for t in (params, extra["teacher"]))
        soft, hard = [], []
        for s, t, label in zip(student, taught, batch["label"], strict=True):
            q = np.exp(t / temperature) / np.exp(t / temperature).sum()
            each = [cross_entropy(s / temperature, c) for c in range(CLASSES)]
            soft.append(temperature**2 * np.dot(q, each))
            hard.append(cross_entropy(s, label))
        return (1 - weight) * np.mean(soft) + weight * np.mean(hard)

    return loss


@pytest.mark.parametrize(
    ("temperature", "weight"), [(1.0, 0.0), (0.5, 0.0), (2.0, 0.25)]
)
def test_three_steps_under_a_teacher_that_stays(temperature, weight, rng):
    method = methods.distillation(
        counted(4),
        counted(7),
        classes=CLASSES,
        temperature=temperature,
        label_weight=weight,
    )
    steps = follow(method, batches(rng), loss_of(temperature, weight))
    first, last = steps[0].before, steps[-1].after
    equal(last.extra["teacher"], first.extra["teacher"])
    # In inference mode: it counts no batch.
    assert last.extra["teacher_stats"]["encoder"]["passes"] == 0
    assert last.extra["stats"]["encoder"]["passes"] == 3


def test_the_teacher_may_have_a_projector(rng):
    double = linear(4)._replace(apply=lambda p, s, x, **options: (2 * x, s))
    method = methods.distillation(
        linear(4), linear(4), classes=CLASSES, projector=double
    )
    params, extra = method.init(jax.random.key(0), batches(rng)[0])
    assert list(params) == ["encoder", "classifier"]
    assert list(extra["teacher"]) == ["encoder", "projector", "classifier"]


def test_labels_are_not_needed_unless_weighted(rng):
    batch = {"views": batches(rng)[0]["views"]}
    for weight in (0.0, 0.5):
        method = methods.distillation(
            linear(4), linear(4), classes=CLASSES, label_weight=weight
        )
        state = method.init(jax.random.key(0), batch)
        loss = method.objectives["distillation"].loss
        if weight:
            with pytest.raises(ValueError, match="no 'label', only"):
                loss(*state, batch, key=jax.random.key(0), step=0)
        else:
            assert np.isfinite(loss(*state, batch, key=jax.random.key(0), step=0)[0])


def test_mistakes_are_named():
    make = methods.distillation
    with pytest.raises(ValueError, match="temperature must be positive; got 0"):
        make(linear(4), linear(4), classes=3, temperature=0)
    with pytest.raises(ValueError, match=r"label_weight must be in \[0, 1\]; got 2"):
        make(linear(4), linear(4), classes=3, label_weight=2)
    with pytest.raises(ValueError, match="at least 2; got 0"):
        make(linear(4), linear(4), classes=0)
