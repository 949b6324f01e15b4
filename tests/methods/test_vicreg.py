"""VICReg: arXiv:2105.04906, algorithm 1."""

import jax
import numpy as np
import pytest

from sslax import methods
from tests.methods.following import flat, follow, linear, mlp, trace, train


def embedding(view, nets):
    return mlp(flat(view, nets["encoder"]), nets["projector"])


def spread(z):
    """How far deviations are below 1, and covariances from 0: unbiased both."""
    covariance = np.cov(z.T)
    hinge = np.maximum(0.0, 1 - np.sqrt(np.diag(covariance) + 1e-4)).mean()
    off = covariance - np.diag(np.diag(covariance))
    return hinge, np.sum(off**2) / len(off)


def loss(params, extra, batch):
    """The mean of two variances, the sum of two covariances."""
    del extra
    z1, z2 = (embedding(view, params) for view in batch["views"])
    (v1, c1), (v2, c2) = spread(z1), spread(z2)
    return 25 * np.mean((z1 - z2) ** 2) + 20 * (v1 + v2) / 2 + 3 * (c1 + c2)


def made(**options):
    sizes = {"hidden": 7, "dim": 4, "variance_weight": 20, "covariance_weight": 3}
    return methods.vicreg(linear(5), **(sizes | options))


def batches(rng, count=3):
    drawn = rng.normal(size=(count, 2, 6, 2, 2, 3))
    return [{"views": tuple(pair)} for pair in drawn]


def test_three_steps_are_those_of_algorithm_1(rng):
    for now in follow(made(), batches(rng), loss):
        z = [embedding(view, now.before.params) for view in now.batch["views"]]
        std = np.mean([x.std(axis=0).mean() for x in z])
        np.testing.assert_allclose(now.metrics["ssl/std"], std, rtol=1e-9)


def test_each_view_has_statistics_of_its_own(rng):
    (now,) = follow(made(), batches(rng, 1), loss)
    want, params = np.zeros(7), now.before.params
    layer = params["projector"]["linear1"]
    for view in now.batch["views"]:
        x = flat(view, params["encoder"]) @ layer["kernel"] + layer["bias"]
        want = 0.9 * want + 0.1 * x.mean(0)
    kept = now.after.extra["stats"]["projector"]["batch_stats"]
    np.testing.assert_allclose(kept["bn1"]["mean"], want, rtol=1e-6)
    assert set(kept) == {"bn1", "bn2"}


def test_the_last_layer_of_the_expander_has_neither_bias_nor_norm():
    method, batch = made(), {"views": (np.ones((2, 2, 2, 3)),) * 2}
    params, _ = jax.eval_shape(method.init, jax.random.key(0), batch)
    assert {k: sorted(v) for k, v in params["projector"].items()} == {
        "linear1": ["bias", "kernel"],
        "linear2": ["bias", "kernel"],
        "linear3": ["kernel"],
        "bn1": ["bias", "scale"],
        "bn2": ["bias", "scale"],
    }


def test_the_variance_alone_keeps_embeddings_apart(rng):
    """Without it all images become one, and the loss is content."""
    drawn = rng.normal(size=(2, 16, 2, 2, 3))
    batch = {"views": tuple(drawn)}
    ends = {}
    for weight in (25.0, 0.0):
        method = made(variance_weight=weight, covariance_weight=1.0)
        ends[weight] = train(method, [batch] * 100, rate=0.01)[-1].metrics
    assert ends[25.0]["ssl/std"] > 0.8
    assert ends[0.0]["ssl/std"] < 0.2
    assert ends[0.0]["ssl/loss"] < 0.1 < ends[25.0]["ssl/loss"]


@pytest.mark.parametrize(
    ("shape", "said"),
    [((2, 1, 2, 2, 3), "2 or more rows"), ((3, 4, 2, 2, 3), "2 views of an image")],
)
def test_what_only_the_batch_shows_is_said_before_the_first_step(shape, said):
    with pytest.raises(ValueError, match=said):
        trace(made(), {"views": tuple(np.ones(shape))})


def test_weights_are_not_negative():
    with pytest.raises(ValueError, match="covariance_weight must be 0 or more"):
        made(covariance_weight=-1.0)
