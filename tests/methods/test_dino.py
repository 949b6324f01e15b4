"""DINO: arXiv:2104.14294, equations 1 to 4 and algorithm 1."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, schedules
from sslax.core import Net
from sslax.methods._crops import by_image
from tests.methods.collapse import after_training
from tests.methods.following import (
    colours,
    equal,
    follow,
    linear,
    prototypes,
    softmax,
    wide,
)

BATCH, K, T = 4, 5, 0.3
MOMENTUM = schedules.cosine(start=0.7, end=1.0, steps=4)
# Of the teacher, by epochs of two steps: 0.1, 0.1, 0.2.
SHARPNESS = schedules.by_epoch(
    schedule=schedules.ramp(start=0.1, end=0.2, steps=1), steps_per_epoch=2
)


def made(encoder=None, **options):
    return methods.dino(
        encoder or colours(6),
        dim=K,
        hidden=7,
        bottleneck=3,
        momentum=MOMENTUM,
        student_temperature=T,
        teacher_temperature=SHARPNESS,
        centre_momentum=0.8,
        **options,
    )


def crops(rng, small=3):
    def batch():
        views = [rng.normal(size=(BATCH, 4, 4, 3)) for _ in range(2)]
        views += [rng.normal(size=(BATCH, 2, 2, 3)) for _ in range(small)]
        return {"views": tuple(views)}

    return [batch() for _ in range(3)]


def logits(view, nets):
    return prototypes(view.mean(axis=(1, 2)) @ nets["encoder"]["w"], nets["head"])


def loss(params, extra, batch):
    """Every crop of the student learns both large ones of the teacher, but itself."""
    sharpness = float(SHARPNESS(extra["clock"]))
    pairs, views = [], batch["views"]
    for g in (0, 1):
        taught = logits(views[g], extra["teacher"]) - extra["centre"]
        q = softmax(taught / sharpness)
        for v in set(range(len(views))) - {g}:
            p = softmax(logits(views[v], params) / T)
            pairs.append(-np.sum(q * np.log(p), axis=1).mean())
    return np.mean(pairs)


@functools.cache
def followed(with_gain):
    """Three steps; the loss needs their number, which stands in the batch."""
    batches = crops(np.random.default_rng(0))
    batches = [{**batch, "clock": np.int32(k)} for k, batch in enumerate(batches)]

    def timed(params, extra, batch):
        return loss(params, {**extra, "clock": int(batch["clock"])}, batch)

    return follow(wide(made(with_gain=with_gain)), batches, timed)


@pytest.mark.parametrize("with_gain", [False, True])
def test_all_crops_learn_the_centred_teacher_of_the_large_ones(with_gain):
    for step in followed(with_gain):
        before, after = step.before.extra, step.after.extra
        taught = [logits(view, before["teacher"]) for view in step.batch["views"][:2]]
        mean = np.concatenate(taught).mean(axis=0)  # raw, after the loss
        np.testing.assert_allclose(
            after["centre"], 0.8 * before["centre"] + 0.2 * mean, rtol=1e-9
        )
        # Of the student once for each size, of the teacher once.
        for name, passes in (("stats", 2), ("teacher_stats", 1)):
            new, old = (int(e[name]["encoder"]["calls"]) for e in (after, before))
            assert new - old == passes


def test_the_teacher_starts_as_a_copy_and_follows_by_its_schedule():
    steps = followed(False)
    equal(steps[0].before.extra["teacher"], steps[0].before.params)
    for k, step in enumerate(steps):
        m = 1 - (1 - 0.7) * (np.cos(np.pi * k / 4) + 1) / 2
        wanted = jax.tree.map(
            lambda t, s, m=m: m * t + (1 - m) * s,
            step.before.extra["teacher"],
            step.after.params,
        )
        equal(step.after.extra["teacher"], wanted)


def test_the_teacher_is_evaluated():
    step = followed(False)[-1]
    params, extra = step.after.params, step.after.extra
    features = made().outputs["features"](params, extra, step.batch, key=None)
    matrix = extra["teacher"]["encoder"]["w"]
    wanted = step.batch["views"][0].mean(axis=(1, 2)) @ matrix
    np.testing.assert_allclose(features, wanted, rtol=1e-9)
    assert np.abs(matrix - params["encoder"]["w"]).max() > 1e-3


def dropping():
    """A net that says in what it gives whether it may drop paths."""
    inner = colours(6)

    def apply(params, stats, x, *, train=False, key=None, order=None):
        out, stats = inner.apply(params, stats, x, train=train)
        return out * (1.0 if key is None else 0.0), stats

    return Net(inner.init, apply)


def test_the_student_alone_drops_paths(rng):
    """Without its images the student is as likely to give any prototype."""
    method, [batch, *_] = made(dropping()), crops(rng)
    batch = jax.device_put(batch)
    params, extra = method.init(jax.random.key(0), batch)
    step = jax.jit(method.objectives["ssl"].loss)
    value, aux = step(params, extra, batch, key=jax.random.key(1), step=0)
    np.testing.assert_allclose(value, np.log(K), rtol=1e-6)
    host = jax.device_get(extra["teacher"])
    seen = [logits(np.asarray(view), host) for view in batch["views"][:2]]
    mean = np.concatenate(seen).mean(axis=0)
    np.testing.assert_allclose(aux.extra["centre"], 0.2 * mean, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"student_temperature": 0.0}, "student_temperature must be positive"),
        ({"teacher_temperature": -0.1}, "teacher_temperature must be .*; got -0.1"),
        ({"centre_momentum": 1.5}, r"centre_momentum must be in \[0, 1\]; got 1.5"),
        ({"momentum": 2.0}, r"momentum must be in \[0, 1\]; got 2.0"),
        ({"dim": 0}, "dim must be at least 1; got 0"),
    ],
)
def test_a_number_out_of_range_is_told_when_the_method_is_made(options, message):
    with pytest.raises(ValueError, match=message):
        methods.dino(colours(6), **options)


def test_one_view_is_too_few():
    method, batch = made(), {"views": (jnp.ones((BATCH, 2, 2, 3)),)}
    params, extra = method.init(jax.random.key(0), batch)
    loss_of = method.objectives["ssl"].loss
    with pytest.raises(ValueError, match="takes 2 or more views of an image; got 1"):
        jax.eval_shape(
            functools.partial(loss_of, key=jax.random.key(0), step=0),
            params,
            extra,
            batch,
        )


@pytest.mark.slow
def test_without_centring_one_prototype_takes_all_images():
    """Section 5.3: targets that are sharpened alone collapse, at a loss of 0."""

    def ending(centre_momentum):
        method = methods.dino(
            linear(12),
            dim=16,
            hidden=64,
            bottleneck=8,
            momentum=0.9,
            centre_momentum=centre_momentum,
        )

        def predictions(found):
            return jax.nn.softmax(by_image(found)[0][0] / 0.1, axis=-1)

        return after_training(wide(method), predictions, rate=0.3)

    healthy, collapsed = ending(0.9), ending(1.0)
    assert healthy.std > 0.05 > 0.001 > collapsed.std
    assert healthy.rank > 1.4 > 1.05 > collapsed.rank
    assert collapsed.loss < 0.01 < 1.0 < healthy.loss
