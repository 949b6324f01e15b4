"""InstDisc: arXiv:1805.01978, equations 2, 7, 8 and 10, with the released order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods
from tests.methods.following import (
    cross_entropy,
    dense,
    equal,
    flat,
    follow,
    linear,
    train,
    unit,
)

IMAGES, BATCH, NOISE, T, M = 11, 4, 6, 0.3, 0.8
INDEX = np.array([[0, 3, 5, 10], [3, 1, 0, 7], [9, 10, 3, 2]])


def embedding(params, batch):
    (view,) = batch["views"]
    return unit(dense(flat(view, params["encoder"]), params["projector"]["linear1"]))


def batches(rng):
    views = rng.normal(size=(3, 1, BATCH, 2, 2, 3))
    noise = rng.integers(0, IMAGES, (3, BATCH, NOISE))
    noise[:, 0, :2] = INDEX[:, :1]  # the own image may be among them
    rows = zip(views, INDEX, noise, strict=True)
    return [{"views": tuple(v), "index": i, "noise": n} for v, i, n in rows]


def bank_of(step, after=False):
    return (step.after if after else step.before).extra["bank"]


def check_bank(steps):
    """Only rows of the batch move, by the features that the loss has seen."""
    for step in steps:
        bank, index = bank_of(step).copy(), step.batch["index"]
        z = embedding(step.before.params, step.batch)
        bank[index] = unit(M * bank[index] + (1 - M) * z)
        np.testing.assert_allclose(bank_of(step, after=True), bank, rtol=1e-9)
    assert not bank_of(steps[-1])[IMAGES:].any()


def test_noise_is_told_from_data_by_the_normaliser_of_the_first_batch(rng):
    method = methods.instdisc(
        linear(5), examples=IMAGES, dim=3, negatives=NOISE, temperature=T, momentum=M
    )
    first = []

    def loss(params, extra, batch):
        z, value = embedding(params, batch), 0.0
        rows = np.concatenate([batch["index"][:, None], batch["noise"]], axis=1)
        scores = np.exp(np.sum(z[:, None] * extra["bank"][rows], axis=-1) / T)
        first.append(IMAGES * scores.mean())
        for p in scores / first[0]:
            c = NOISE / IMAGES
            value -= np.log(p[0] / (p[0] + c + 1e-7))
            value -= np.log(c / (p[1:] + c + 1e-7)).sum()
        return value / BATCH

    steps = follow(method, batches(rng), loss)
    check_bank(steps)
    assert np.isneginf(steps[0].before.extra["log_z"]).all()
    for step in steps:
        np.testing.assert_allclose(step.after.extra["log_z"], [np.log(first[0])])


def test_softmax_over_all_images_with_the_proximal_term(rng):
    method = methods.instdisc(
        linear(5),
        examples=IMAGES,
        dim=3,
        negatives=None,
        temperature=T,
        momentum=M,
        proximal=2.0,
    )

    def loss(params, extra, batch):
        z, bank = embedding(params, batch), extra["bank"][:IMAGES]
        rows = zip(z, batch["index"], strict=True)
        terms = [cross_entropy(bank @ x / T, i) for x, i in rows]
        far = np.sum((z - bank[batch["index"]]) ** 2, axis=1)
        return np.mean(terms) + 2.0 * far.mean()

    steps = follow(method, batches(rng), loss)
    check_bank(steps)
    assert set(steps[-1].after.extra) == {"stats", "bank"}


def test_every_image_becomes_nearest_to_its_own_row(rng):
    method = methods.instdisc(linear(8), examples=8, dim=8, negatives=5, temperature=T)
    batch = {"views": tuple(rng.normal(size=(1, 8, 2, 2, 3))), "index": np.arange(8)}
    last = train(method, [batch] * 60)[-1]
    cosines = embedding(last.after.params, batch) @ bank_of(last, after=True)[:8].T
    np.testing.assert_array_equal(cosines.argmax(axis=1), batch["index"])


def test_noise_is_drawn_anew_from_all_images(rng):
    """Of 5 images, 400 draws miss none; rows that no image has are never drawn."""
    method = methods.instdisc(linear(5), examples=5, dim=3, negatives=100)
    views = tuple(rng.normal(size=(1, 4, 2, 2, 3)))
    step, other = train(method, [{"views": views, "index": np.arange(4)}] * 2)
    equal(step.after.extra["log_z"], other.after.extra["log_z"])
    bank = bank_of(step)
    assert bank[:5].any(axis=1).all()
    # At most the uniform cube's corner, and 1 on average.
    assert np.abs(bank).max() <= 1.0
    assert not bank[5:].any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"examples": 1}, "2 or more of the data; got 1"),
        ({"negatives": 0}, "negatives must be 1 or more.*got 0"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"momentum": 1.5}, r"momentum must be in \[0, 1\]"),
        ({"proximal": -1.0}, "proximal must be 0 or more; got -1"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        methods.instdisc(linear(5), **{"examples": 8, **wrong})


def test_a_batch_without_index_or_with_two_views_is_refused(rng):
    method, view = methods.instdisc(linear(5), examples=8), jnp.ones((4, 2, 2, 3))
    with pytest.raises(ValueError, match=r"needs `index`.*\['views'\]"):
        method.init(jax.random.key(0), {"views": (view,)})
    with pytest.raises(ValueError, match="takes 1 views"):
        method.init(jax.random.key(0), {"views": (view, view), "index": jnp.arange(4)})
