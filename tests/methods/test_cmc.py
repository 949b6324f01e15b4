"""CMC: arXiv:1906.05849, equations 3 and 5 to 7, with the released banks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods
from tests.methods.following import (
    cross_entropy,
    dense,
    flat,
    follow,
    linear,
    train,
    unit,
)

IMAGES, BATCH, NOISE, T, M = 11, 4, 6, 0.3, 0.8
INDEX = np.array([[0, 3, 5, 10], [3, 1, 0, 7], [9, 10, 3, 2]])
PAIRS = {
    2: [(0, 1), (1, 0)],
    "all": [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)],
    "core": [(0, 1), (0, 2), (1, 0), (2, 0)],
}


def codes(params, batch):
    """Each view by the encoder of its own."""
    found = []
    for i, view in enumerate(batch["views"]):
        layer = params[f"projector{i}"]["linear1"]
        found.append(unit(dense(flat(view, params[f"encoder{i}"]), layer)))
    return found


def batches(rng, views):
    """Views of one to three channels."""
    noise = rng.integers(0, IMAGES, (3, BATCH, NOISE))
    noise[:, 0, :2] = INDEX[:, :1]  # the own image may be among them
    return [
        {
            "views": tuple(rng.normal(size=(BATCH, 2, 2, i + 1)) for i in range(views)),
            "index": index,
            "noise": drawn,
        }
        for index, drawn in zip(INDEX, noise, strict=True)
    ]


def made(views, **options):
    encoders = [linear(5 + i) for i in range(views)]
    return methods.cmc(encoders, examples=IMAGES, dim=3, temperature=T, **options)


def scores_of(z, batch, bank):
    rows = np.concatenate([batch["index"][:, None], batch["noise"]], axis=1)
    return np.sum(z[:, None] * bank[rows], axis=-1) / T


def check_banks(steps):
    """Each view's codes go into its own bank, after the loss that has seen them."""
    for step in steps:
        index = step.batch["index"]
        for i, z in enumerate(codes(step.before.params, step.batch)):
            bank = step.before.extra["banks"][f"view{i}"].copy()
            bank[index] = unit(M * bank[index] + (1 - M) * z)
            after = step.after.extra["banks"][f"view{i}"]
            np.testing.assert_allclose(after, bank, rtol=1e-9)


@pytest.mark.parametrize("graph", ["all", "core"])
def test_softmax_of_three_views_against_the_banks_of_others(rng, graph):
    method = made(
        3, contrast="softmax", negatives=NOISE, momentum=M, core=graph == "core"
    )

    def loss(params, extra, batch):
        z, total = codes(params, batch), 0.0
        for i, j in PAIRS[graph]:
            scores = scores_of(z[i], batch, extra["banks"][f"view{j}"])
            total += np.mean([cross_entropy(row, 0) for row in scores])
        return total

    steps = follow(method, batches(rng, 3), loss)
    check_banks(steps)
    assert "log_z" not in steps[-1].after.extra


def test_noise_is_told_from_data_by_a_normaliser_for_each_direction(rng):
    method = made(2, contrast="nce", negatives=NOISE, momentum=M)
    first = {}

    def loss(params, extra, batch):
        z, value, c = codes(params, batch), 0.0, NOISE / IMAGES
        for i, j in PAIRS[2]:
            scores = np.exp(scores_of(z[i], batch, extra["banks"][f"view{j}"]))
            for p in scores / first.setdefault(i, IMAGES * scores.mean()):
                value -= np.log(p[0] / (p[0] + c + 1e-7))
                value -= np.log(c / (p[1:] + c + 1e-7)).sum()
        return value / BATCH

    steps = follow(method, batches(rng, 2), loss)
    check_banks(steps)
    for step in steps:
        log_z = np.log([first[0], first[1]])
        np.testing.assert_allclose(step.after.extra["log_z"], log_z)


@pytest.mark.parametrize("graph", ["all", "core"])
def test_in_the_batch_views_find_each_other_without_banks(rng, graph):
    method = methods.cmc(
        [linear(5), linear(6), linear(7)],
        dim=3,
        contrast="batch",
        temperature=T,
        core=graph == "core",
    )

    def loss(params, extra, batch):
        z, total = codes(params, batch), 0.0
        for i, j in PAIRS[graph]:
            rows = z[i] @ z[j].T / T
            total += np.mean([cross_entropy(row, k) for k, row in enumerate(rows)])
        return total

    steps = follow(method, batches(rng, 3), loss)
    assert set(steps[-1].after.extra) == {"stats"}


def test_features_are_those_of_all_encoders_and_codes_cross(rng):
    """An image's code of one view comes to lie nearest to its row of the other."""
    encoders = [linear(8), linear(9)]
    method = methods.cmc(encoders, examples=8, dim=8, negatives=8, temperature=T)
    views = tuple(rng.normal(size=(8, 4, 4, c)) for c in (1, 2))
    batch = {"views": views, "index": np.arange(8)}
    after = train(method, [batch] * 60)[-1].after
    one, two = codes(after.params, batch)
    banks = after.extra["banks"]
    for code, bank in ((one, banks["view1"]), (two, banks["view0"])):
        np.testing.assert_array_equal((code @ bank[:8].T).argmax(1), np.arange(8))
    features = method.outputs["features"](
        after.params, after.extra, batch, key=jax.random.key(0)
    )
    parts = [flat(v, after.params[f"encoder{i}"]) for i, v in enumerate(views)]
    np.testing.assert_allclose(features, np.concatenate(parts, axis=1), rtol=1e-9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"encoders": [linear(5)]}, "2 or more views need an encoder each; got 1"),
        ({"examples": None}, "examples must be the 2 or more of the data; got None"),
        ({"contrast": "NCE"}, "contrast must be one of 'softmax', 'nce', 'batch'"),
        ({"negatives": 0}, "negatives must be 1 or more.*got 0"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"momentum": -0.5}, r"momentum must be in \[0, 1\]"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, message):
    options = {"encoders": [linear(5), linear(5)], "examples": 8, **wrong}
    with pytest.raises(ValueError, match=message):
        methods.cmc(**options)


def test_a_batch_without_index_or_with_other_views_is_refused():
    method, view = made(2), jnp.ones((4, 2, 2, 1))
    with pytest.raises(ValueError, match="needs `index`"):
        method.init(jax.random.key(0), {"views": (view, view)})
    with pytest.raises(ValueError, match="takes 2 views of an image; got 3"):
        method.init(jax.random.key(0), {"views": (view,) * 3, "index": jnp.arange(4)})
