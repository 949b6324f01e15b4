"""CPC v2: arXiv:1905.09272, equation 1 and appendix A.2."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods
from tests.methods.following import RATE, dense, follow, linear, trace
from tests.methods.test_cpc import clockwise, codes_of, sums

BATCH, SIDE, DIM, SEEN, HEAD = 2, 5, 4, 3, 2
STEPS, FIRST, SCALE, MOMENTUM = 2, 1, 0.5, 0.9


def made(**options):
    sizes = {"dim": HEAD, "steps": STEPS, "first": FIRST, "scale": SCALE}
    return methods.cpc_v2(
        linear(DIM), sums(SEEN), **(sizes | {"momentum": MOMENTUM} | options)
    )


def definition(params, batch, directions):
    """A sum over steps, each a mean over places, and the mean over directions."""
    z, total = codes_of(params, batch), 0.0
    for i in range(directions):
        z = clockwise(z) if i else z
        targets = dense(z, params["target"]["linear1"])
        c = np.cumsum(z, axis=1) @ params[f"context{i}"]["w"]
        heads = SCALE * dense(c, params[f"predictor{i}"]["linear1"])
        for j in range(STEPS):
            rows, terms = FIRST + j + 1, []
            for b, r, w in np.ndindex(BATCH, SIDE - rows, SIDE):
                query = heads[b, r, w, j * HEAD : (j + 1) * HEAD]
                scores = np.exp(targets @ query)
                terms.append(-np.log(scores[b, r + rows, w] / scores.sum()))
            total += np.mean(terms)
    return total / directions


@pytest.fixture
def batches(rng):
    drawn = rng.normal(size=(3, BATCH, SIDE, SIDE, 2, 2, 1))
    return [{"views": (patches,)} for patches in drawn]


@pytest.mark.parametrize("directions", [1, 4])
def test_projections_further_down_are_told_from_all_of_the_batch(batches, directions):
    def loss(params, extra, batch):
        return definition(params, batch, directions)

    for step in follow(made(directions=directions), batches, loss):
        before, after = step.before, step.after
        average = MOMENTUM * before.extra["teacher"]["encoder"]["w"]
        average = average + (1 - MOMENTUM) * after.params["encoder"]["w"]
        kept = after.extra["teacher"]["encoder"]["w"]
        np.testing.assert_allclose(kept, average, rtol=1e-6)
        assert set(after.extra["teacher"]) == {"encoder"}
        assert len(after.params) == 2 + 2 * directions


def test_what_is_evaluated_is_the_averaged_encoder(batches):
    method, batch = made(), jax.device_put(batches[0])
    params, extra = method.init(jax.random.key(0), batch)
    average = jax.tree.map(lambda w: w - RATE, extra["teacher"])
    z = codes_of(jax.device_get(average), batches[0])
    read = (params, {**extra, "teacher": average}, batch)
    maps = method.outputs["map"](*read, key=jax.random.key(0))
    np.testing.assert_allclose(maps, z, rtol=1e-4, atol=1e-5)
    features = method.outputs["features"](*read, key=jax.random.key(0))
    np.testing.assert_allclose(features, z.mean((1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dim": 0}, "dim must be positive and finite; got 0"),
        ({"steps": 0}, "steps must be positive and finite; got 0"),
        ({"scale": 0.0}, "scale must be positive and finite; got 0"),
        ({"first": -1}, "first must be 0 or more; got -1"),
        ({"directions": 0}, "directions must be one of 1, 2, 3, 4; got 0"),
        ({"momentum": 1.5}, r"momentum must be in \[0, 1\]; got 1.5"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        made(**wrong)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2, 8, 8, 3)], "patches must have 6 axes"),
        ([(2, 5, 3, 2, 2, 1)], "need 4 or more rows of patches; got 3"),  # turned
        ([(2, 5, 5, 2, 2, 1)] * 2, "takes 1 views of an image; got 2"),
    ],
)
def test_what_only_the_batch_shows_is_said_before_the_first_step(shapes, message):
    with pytest.raises(ValueError, match=message):
        trace(made(), {"views": tuple(map(jnp.zeros, shapes))})
