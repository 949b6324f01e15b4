"""Barlow Twins: arXiv:2103.03230, algorithm 1."""

import jax
import numpy as np
import pytest

from sslax import methods
from tests.methods.following import batch_norm, flat, follow, linear, mlp, trace

WEIGHT = 0.2


def embedding(view, nets):
    return mlp(flat(view, nets["encoder"]), nets["projector"])


def loss(params, extra, batch):
    """Each embedding is standardised over its own view; both have gradient."""
    del extra
    z1, z2 = (batch_norm(embedding(view, params), {}) for view in batch["views"])
    correlation, total = z1.T @ z2 / len(z1), 0.0
    for i, row in enumerate(correlation):
        for j, value in enumerate(row):
            total += (value - 1) ** 2 if i == j else WEIGHT * value**2
    return total


def made(**options):
    sizes = {"hidden": 7, "dim": 4, "depth": 3, "redundancy_weight": WEIGHT}
    return methods.barlow_twins(linear(5), **(sizes | options))


def batches(rng, count=3):
    drawn = rng.normal(size=(count, 2, 6, 2, 2, 3))
    return [{"views": tuple(pair)} for pair in drawn]


def test_three_steps_are_those_of_algorithm_1(rng):
    follow(made(), batches(rng), loss)


def test_the_gradient_of_devices_that_average_is_a_share(rng):
    follow(made(scale=1 / 16), batches(rng, 1), lambda *a: loss(*a) / 16)


def test_each_view_has_statistics_of_its_own(rng):
    (now,) = follow(made(), batches(rng, 1), loss)
    want, params = np.zeros(7), now.before.params
    for view in now.batch["views"]:
        x = flat(view, params["encoder"]) @ params["projector"]["linear1"]["kernel"]
        want = 0.9 * want + 0.1 * x.mean(0)
    kept = now.after.extra["stats"]["projector"]["batch_stats"]
    np.testing.assert_allclose(kept["bn1"]["mean"], want, rtol=1e-6)
    assert set(kept) == {"bn1", "bn2"}  # the embedding has no norm that stays


def test_the_projector_has_no_bias_but_in_batch_norm():
    method, batch = made(), {"views": (np.ones((2, 2, 2, 3)),) * 2}
    params, _ = jax.eval_shape(method.init, jax.random.key(0), batch)
    assert {k: sorted(v) for k, v in params["projector"].items()} == {
        **{f"linear{i}": ["kernel"] for i in (1, 2, 3)},
        **{f"bn{i}": ["bias", "scale"] for i in (1, 2)},
    }


@pytest.mark.parametrize(
    ("shape", "said"),
    [((2, 1, 2, 2, 3), "2 or more rows"), ((3, 4, 2, 2, 3), "2 views of an image")],
)
def test_what_only_the_batch_shows_is_said_before_the_first_step(shape, said):
    with pytest.raises(ValueError, match=said):
        trace(made(), {"views": tuple(np.ones(shape))})


@pytest.mark.parametrize("name", ["redundancy_weight", "scale"])
def test_weights_are_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be positive and finite; got 0"):
        made(**{name: 0})
