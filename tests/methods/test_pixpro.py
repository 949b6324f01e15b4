"""PixPro: arXiv:2011.10043, equations 1 and 3 to 5."""

import functools

import jax
import numpy as np
import pytest

from sslax import methods, models, schedules
from tests.methods.following import cells, equal, follow, linear, mlp, on_cells, unit

MOMENTUM = schedules.cosine(start=0.7, end=1.0, steps=4)
POWER, RATIO = 2.0, 0.7


def centres(box, rows, columns):
    """Of the cells of a crop, row by row, and their diagonal."""
    x0, y0, x1, y1 = box
    wide, high = (x1 - x0) / columns, (y1 - y0) / rows
    places = [
        (x0 + (column + 0.5) * wide, y0 + (row + 0.5) * high)
        for row in range(rows)
        for column in range(columns)
    ]
    return np.array(places), np.hypot(wide, high)


def gathered(x, values):
    """What every cell of one image collects from those that look like it."""
    similar = np.maximum(unit(x) @ unit(x).T, 0) ** POWER
    return unit(similar @ unit(values))


def agreement(y, z, here, there, size):
    """Mean cosine over the pairs of one image."""
    (first, d1), (second, d2) = centres(here, *size), centres(there, *size)
    total, count = 0.0, np.float32(0)
    for i, j in np.ndindex(len(first), len(second)):
        if np.linalg.norm(first[i] - second[j]) / max(d1, d2) < RATIO:
            total, count = total + y[i] @ z[j], count + np.float32(1)
    return total / (count + np.float32(1e-6))


def values(x, params):
    return on_cells(mlp, x, params["value"]) if "value" in params else x


def flat(x):
    return x.reshape(len(x), -1, x.shape[-1])


def loss_of(weight):
    def loss(params, extra, batch):
        views, boxes, total = batch["views"], batch["coordinates"], 0.0
        for a, b in ((0, 1), (1, 0)):
            mine, other = (
                view @ nets["encoder"]["w"]
                for view, nets in ((views[a], params), (views[b], extra["teacher"]))
            )
            x = on_cells(mlp, mine, params["projector"])
            z = unit(flat(on_cells(mlp, other, extra["teacher"]["projector"])))
            v, size = flat(values(x, params)), x.shape[1:3]
            y = [gathered(*pair) for pair in zip(flat(x), v, strict=True)]
            images = zip(y, z, boxes[:, a], boxes[:, b], strict=True)
            total -= 2 * np.mean([agreement(*image, size) for image in images])
            if weight:
                p = on_cells(mlp, mine, params["instance_projector"])
                p = on_cells(mlp, p, params["predictor"]).mean((1, 2))
                t = on_cells(mlp, other, extra["teacher"]["instance_projector"])
                t = t.mean((1, 2))
                total -= weight * 2 * np.mean(np.sum(unit(p) * unit(t), axis=-1))
        return total

    return loss


def batches_of(rng, count=3, batch=4):
    """Crops that overlap, some of them flipped; those of image 0 do not."""
    made = []
    for _ in range(count):
        corner = rng.uniform(0, 0.3, (batch, 2, 2))
        boxes = np.concatenate(
            [corner, corner + rng.uniform(0.4, 0.6, corner.shape)], 2
        )
        boxes[0, 1] += 2.0
        boxes[:2, 0] = boxes[:2, 0][:, [2, 1, 0, 3]]
        views = tuple(rng.normal(size=(2, batch, 2, 3, 2)))
        made.append({"views": views, "coordinates": boxes})
    return made


@pytest.mark.parametrize(("layers", "weight"), [(0, 0.0), (1, 0.0), (2, 0.5)])
def test_cells_predict_what_the_teacher_sees_at_their_place(rng, layers, weight):
    method = methods.pixpro(
        cells(5),
        hidden=5,
        dim=3,
        power=POWER,
        ratio=RATIO,
        layers=layers,
        instance=weight,
        momentum=MOMENTUM,
    )
    steps = follow(method, batches_of(rng), loss_of(weight))
    branch = {"instance_projector"} if weight else set()
    for k, step in enumerate(steps, start=1):  # the average of the next step, ahead
        m = 1 - (1 - 0.7) * (np.cos(np.pi * k / 4) + 1) / 2
        old, student = step.before.extra["teacher"], step.after.params
        assert set(old) == {"encoder", "projector"} | branch
        equal(
            step.after.extra["teacher"],
            jax.tree.map(
                lambda t, s, m=m: m * t + (1 - m) * s, old, {k: student[k] for k in old}
            ),
        )
    second = steps[1].before  # when the two are no longer the same
    check_statistics("stats", second.params, steps[1])
    check_statistics("teacher_stats", second.extra["teacher"], steps[1])


def check_statistics(where, nets, step):
    """The variance of each view's own batch, over all cells, in the net that saw it."""

    def kept(state):
        return state.extra[where]["projector"]["batch_stats"]["bn1"]["var"]

    want, layer = kept(step.before), nets["projector"]["linear1"]
    for view in step.batch["views"]:
        hidden = view @ nets["encoder"]["w"] @ layer["kernel"] + layer["bias"]
        want = 0.9 * want + 0.1 * hidden.reshape(-1, 5).var(0, ddof=1)
    np.testing.assert_allclose(kept(step.after), want, rtol=1e-6)


def test_mistakes_are_told_before_the_first_step(rng):
    encoder = cells(5)
    with pytest.raises(ValueError, match=r"ratio must be positive.*got 0"):
        methods.pixpro(encoder, ratio=0.0)
    with pytest.raises(ValueError, match=r"layers must be one of 0, 1, 2; got 3"):
        methods.pixpro(encoder, layers=3)
    with pytest.raises(ValueError, match=r"instance must be 0 or more; got -1"):
        methods.pixpro(encoder, instance=-1.0)
    for net in (linear(5), models.convnet(output=("pooled", "layer1"))):
        with pytest.raises(
            ValueError, match=r"projector reads 'map'.*output=\('pooled', 'map'"
        ):
            methods.pixpro(net)
    method = methods.pixpro(encoder, hidden=7, dim=3)
    batch = batches_of(rng, 1)[0]
    state = jax.eval_shape(method.init, jax.random.key(0), batch)
    loss = functools.partial(method.objectives["ssl"].loss, key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"views\.pixel_views"):
        jax.eval_shape(loss, *state, {"views": batch["views"]}, step=0)
    with pytest.raises(ValueError, match="2 views of an image; got 1"):
        jax.eval_shape(method.init, jax.random.key(0), {"views": batch["views"][:1]})
