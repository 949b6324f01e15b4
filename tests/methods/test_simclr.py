"""SimCLR: arXiv:2002.05709, algorithm 1."""

import numpy as np

from configs import simclr
from sslax import methods
from tests.methods.following import cross_entropy, flat, follow, linear, mlp, unit


def loss(params, extra, batch):
    """All 2N views in one pass; each against the 2N - 1 others, one of them its own."""
    del extra
    views = np.concatenate(batch["views"])
    z = unit(mlp(flat(views, params["encoder"]), params["projector"]))
    total, count = 0.0, len(z)
    for i in range(count):
        others = np.delete(np.arange(count), i)
        positive = int(np.flatnonzero(others == (i + count // 2) % count)[0])
        total += cross_entropy(z[others] @ z[i] / 0.5, positive)
    return total / count


def batches(rng):
    return [{"views": tuple(rng.normal(size=(2, 4, 2, 2, 3)))} for _ in range(3)]


def method(**options):
    return methods.simclr(linear(5), hidden=6, dim=3, temperature=0.5, **options)


def test_three_steps_are_those_of_algorithm_1(rng):
    follow(method(), batches(rng), loss)


def test_the_official_loss_is_the_sum_of_the_means_of_both_views(rng):
    follow(method(scale=2.0), batches(rng)[:1], lambda *a: 2 * loss(*a))


def test_the_recipe_for_imagenet_has_the_official_loss():
    assert simclr.get_config("imagenet").method.scale == 2


def test_batch_norm_keeps_the_variance_of_the_batch_of_both_views(rng):
    (step,) = follow(method(), batches(rng)[:1], loss)
    params = step.before.params
    h = flat(np.concatenate(step.batch["views"]), params["encoder"])
    h = h @ params["projector"]["linear1"]["kernel"]
    kept = step.after.extra["stats"]["projector"]["batch_stats"]["bn1"]
    np.testing.assert_allclose(kept["mean"], 0.1 * h.mean(0), rtol=1e-6)
    np.testing.assert_allclose(kept["var"], 0.9 + 0.1 * h.var(0), rtol=1e-6)
