"""PixContrast: arXiv:2011.10043, equations 1 and 2."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, schedules
from tests.methods.following import cells, equal, follow, mlp, on_cells, unit
from tests.methods.test_pixpro import batches_of, centres, flat

MOMENTUM = schedules.cosine(start=0.7, end=1.0, steps=4)
T, RATIO, SIZE = 0.3, 0.7, (2, 3)


def pairs(here, there, size):
    """Which cells of two crops are near each other."""
    (first, d1), (second, d2) = centres(here, *size), centres(there, *size)
    distance = np.linalg.norm(first[:, None] - second[None], axis=-1)
    return distance / max(d1, d2) < RATIO


def by_cell(images):
    """A logarithm for each cell that has a pair."""
    terms = []
    for scores, near in images:
        for row, mine in zip(scores, near, strict=True):
            if mine.any():
                terms.append(-np.log(row[mine].sum() / row.sum()))
    return np.mean(terms)


def by_batch(images):
    """One logarithm for all."""
    near = sum(scores[mine].sum() for scores, mine in images)
    return -np.log(near / sum(scores.sum() for scores, _ in images))


def maps(net, nets):
    return lambda view: on_cells(mlp, view @ nets["encoder"]["w"], nets[net])


def instance(view, nets):
    """The features are means over the map, before the head."""
    pooled = (view @ nets["encoder"]["w"]).mean((1, 2))
    return mlp(pooled, nets["instance_projector"])


def loss_of(term, weight, branch):
    def loss(params, extra, batch):
        views, boxes, total = batch["views"], batch["coordinates"], 0.0
        for a, b in ((0, 1), (1, 0)):
            x = maps("projector", params)(views[a])
            z = maps("projector", extra["teacher"])(views[b])
            images = [
                (np.exp(unit(x) @ unit(z).T / T), pairs(here, there, size=SIZE))
                for x, z, here, there in zip(
                    flat(x), flat(z), boxes[:, a], boxes[:, b], strict=True
                )
            ]
            total += weight * term(images) / 2
            if branch:
                p = unit(mlp(instance(views[a], params), params["predictor"]))
                t = unit(instance(views[b], extra["teacher"]))
                total += branch * np.mean(2 - 2 * np.sum(p * t, axis=-1))
        return total

    return loss


@pytest.mark.parametrize(
    ("log_over", "term", "weight", "branch"),
    [("cell", by_cell, 1.0, 0.0), ("batch", by_batch, 0.7, 1.0)],
    ids=["paper", "others"],
)
def test_cells_find_their_place_in_the_other_view(rng, log_over, term, weight, branch):
    method = methods.pixcontrast(
        cells(5),
        hidden=5,
        dim=3,
        temperature=T,
        ratio=RATIO,
        log_over=log_over,
        weight=weight,
        instance=branch,
        momentum=MOMENTUM,
    )
    steps = follow(method, batches_of(rng), loss_of(term, weight, branch))
    for k, step in enumerate(steps, start=1):  # the average of the next step, ahead
        m = 1 - (1 - 0.7) * (np.cos(np.pi * k / 4) + 1) / 2
        old, student = step.before.extra["teacher"], step.after.params
        assert "predictor" not in old
        equal(
            step.after.extra["teacher"],
            jax.tree.map(
                lambda t, s, m=m: m * t + (1 - m) * s, old, {k: student[k] for k in old}
            ),
        )


def test_pairs_that_a_batch_brings_are_taken_as_they_are(rng):
    """Those of the coordinates give what the coordinates give."""
    method = methods.pixcontrast(cells(5), hidden=5, dim=3, ratio=RATIO)
    batch = jax.device_put(batches_of(rng, 1)[0])
    boxes = batch["coordinates"]
    own = [pairs(*image, size=SIZE) for image in np.asarray(boxes)]
    state = method.init(jax.random.key(0), batch)
    loss = functools.partial(method.objectives["ssl"].loss, key=jax.random.key(0))
    found = [
        float(jax.jit(loss)(*state, {"views": batch["views"], **given}, step=0)[0])
        for given in ({"coordinates": boxes}, {"positives": jnp.array(own)})
    ]
    assert found[0] == found[1]


def test_mistakes_are_told_before_the_first_step():
    with pytest.raises(ValueError, match=r"temperature must be positive.*got -1"):
        methods.pixcontrast(cells(5), temperature=-1.0)
    with pytest.raises(ValueError, match=r"log_over must be one of.*got 'image'"):
        methods.pixcontrast(cells(5), log_over="image")
    with pytest.raises(ValueError, match=r"instance must be 0 or more; got -1"):
        methods.pixcontrast(cells(5), instance=-1.0)
