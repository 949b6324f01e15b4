"""SimSiam: arXiv:2011.10566, algorithm 1."""

import jax
import numpy as np
import pytest

from sslax import methods
from tests.methods.collapse import after_training
from tests.methods.following import batch_norm, flat, follow, linear, mlp, trace, unit


def projection(view, nets):
    """Batch norm without scale and offset ends the projector."""
    return batch_norm(mlp(flat(view, nets["encoder"]), nets["projector"]), {})


def loss(params, extra, batch):
    """Each view predicts the projection of the other, which stands still."""
    total = 0.0
    for mine, other in (batch["views"], batch["views"][::-1]):
        p = unit(mlp(projection(mine, params), params["predictor"]))
        z = unit(projection(other, extra["still"]))
        total -= np.sum(p * z, axis=-1).mean() / 2
    return total


def made(**options):
    sizes = {"hidden": 7, "dim": 4, "depth": 3, "bottleneck": 3}
    return methods.simsiam(linear(5), **(sizes | options))


def batches(rng, count=3, size=6):
    drawn = rng.normal(size=(count, 2, size, 2, 2, 3))
    return [{"views": tuple(pair)} for pair in drawn]


def test_the_projection_of_the_other_view_is_predicted_and_stands_still(rng):
    steps = follow(made(), batches(rng), loss)
    for now in steps:
        z = [unit(projection(view, now.before.params)) for view in now.batch["views"]]
        std = np.mean([x.std(axis=0) for x in z])
        np.testing.assert_allclose(now.metrics["ssl/std"], std, rtol=1e-9)


def test_each_view_has_statistics_of_its_own(rng):
    (now,) = follow(made(depth=2), batches(rng, 1), loss)
    want = np.zeros(4)
    for view in now.batch["views"]:
        x = mlp(
            flat(view, now.before.params["encoder"]), now.before.params["projector"]
        )
        want = 0.9 * want + 0.1 * x.mean(0)
    kept = now.after.extra["stats"]["projector"]["batch_stats"]["bn2"]["mean"]
    np.testing.assert_allclose(kept, want, rtol=1e-6)


def test_the_predictor_is_a_bottleneck_with_a_bare_output():
    """No batch norm behind it, which the paper finds unstable."""
    method = made(depth=3)
    batch = {"views": (np.ones((2, 2, 2, 3)),) * 2}
    params, _ = jax.eval_shape(method.init, jax.random.key(0), batch)
    shapes = {
        k: {n: x.shape for n, x in v.items()} for k, v in params["predictor"].items()
    }
    assert shapes == {
        "linear1": {"kernel": (4, 3)},
        "bn1": {"scale": (3,), "bias": (3,)},
        "linear2": {"kernel": (3, 4), "bias": (4,)},
    }
    assert "bn3" not in params["projector"]
    assert all("bias" not in params["projector"][f"linear{i}"] for i in (1, 2, 3))


@pytest.mark.parametrize(
    ("shape", "said"),
    [((2, 1, 2, 2, 3), "2 or more rows"), ((3, 4, 2, 2, 3), "2 views of an image")],
)
def test_what_only_the_batch_shows_is_said_before_the_first_step(shape, said):
    with pytest.raises(ValueError, match=said):
        trace(made(), {"views": tuple(np.ones(shape))})


def test_a_width_that_cannot_be_is_refused_when_built():
    with pytest.raises(ValueError, match="bottleneck must be positive"):
        made(bottleneck=0)
    with pytest.raises(ValueError, match="depth is 0"):
        made(depth=0)


@pytest.mark.slow
def test_without_stop_gradient_images_become_one_at_the_best_loss(monkeypatch):
    """Section 4.1: the loss goes to -1, the deviation from 1 / sqrt(16) to 0."""

    def ending():
        method = methods.simsiam(linear(12), hidden=64, dim=16, depth=3, bottleneck=4)
        return after_training(method, lambda found: found[1][0])

    healthy = ending()
    monkeypatch.setattr(jax.lax, "stop_gradient", lambda x: x)
    collapsed = ending()
    assert healthy.std > 0.9 > 0.7 > collapsed.std
    assert healthy.rank > 5 > 2.5 > collapsed.rank
    assert collapsed.loss < -0.85 < -0.6 < healthy.loss
