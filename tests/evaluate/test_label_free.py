"""alpha-ReQ and LiDAR against plain readings of their definitions."""

import jax
import numpy as np
import pytest

from sslax import evaluate
from sslax.evaluate import tasks

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


def decaying(n, d, alpha):
    """Features whose covariance has the eigenvalues i^-alpha, turned and shifted."""
    noise = RNG.normal(size=(n, d))
    directions, _ = np.linalg.qr(noise - noise.mean(axis=0))
    turn, _ = np.linalg.qr(RNG.normal(size=(d, d)))
    return directions * np.arange(1, d + 1) ** (-alpha / 2) @ turn + RNG.normal(size=d)


def slow_alpha(x, first, last):
    """Weighted least squares by its normal equations, ranks from 1."""
    power = np.sort(np.linalg.eigvals(np.cov(x.T)).real)[::-1]
    weight, moment = np.zeros((2, 2)), np.zeros(2)
    for rank in range(first, last + 1):
        row = np.array([-np.log(rank), 1.0])
        weight += np.outer(row, row) / rank
        moment += row * np.log(power[rank - 1]) / rank
    return np.linalg.solve(weight, moment)[0]


def test_alpha_is_the_slope_of_the_spectrum():
    for alpha in (0.5, 1.0, 2.0):
        x = decaying(300, 60, alpha)
        assert evaluate.alpha_req(x) == pytest.approx(alpha, rel=1e-6)
        assert evaluate.alpha_req(7.0 * x) == pytest.approx(alpha, rel=1e-6)
    x = RNG.normal(size=(300, 60)) * np.arange(60, 0, -1)
    for first, last in ((3, 40), (11, 50)):
        found = evaluate.alpha_req(x, first=first, last=last)
        assert found == pytest.approx(slow_alpha(x, first, last), rel=1e-6)
    # More dimensions than images: the Gram matrix has the same eigenvalues.
    wide = RNG.normal(size=(50, 80))
    expected = slow_alpha(wide, 11, 49)
    assert evaluate.alpha_req(wide) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match=r"have 8 directions.* rank 11: .* smaller"):
        evaluate.alpha_req(x[:, :8])


def slow_lidar(x, delta):
    n, q, d = x.shape
    within, between = delta * np.eye(d), np.zeros((d, d))
    for i in range(n):
        away = x[i].mean(axis=0) - x.mean(axis=(0, 1))
        between += np.outer(away, away) / n
        for view in x[i]:
            within += (
                np.outer(view - x[i].mean(axis=0), view - x[i].mean(axis=0)) / n / q
            )
    values, vectors = np.linalg.eigh(within)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    share = np.linalg.eigvalsh(root @ between @ root).clip(0)
    share = share / share.sum() + 1e-7
    return np.exp(-(share * np.log(share)).sum())


def test_lidar_is_the_rank_of_discriminant_analysis():
    x = RNG.normal(size=(40, 1, 12)) * np.arange(1, 13) + RNG.normal(size=(40, 5, 12))
    for delta in (1e-4, 0.3):
        expected = slow_lidar(x, delta)
        assert evaluate.lidar(x, delta=delta) == pytest.approx(expected, rel=1e-6)
    assert evaluate.lidar(np.ones((4, 2, 3))) == 0.0
    with pytest.raises(ValueError, match=r"two or more images; got the shape \(4, 1"):
        evaluate.lidar(np.ones((4, 1, 3)))


def test_noise_counts_for_rankme_and_not_for_lidar():
    """Three directions tell images apart; twenty are drawn for every view."""
    x = np.zeros((200, 20, 23))
    x[..., :3] = RNG.normal(size=(200, 1, 3))
    x[..., 3:] = RNG.normal(size=(200, 20, 20))
    assert evaluate.lidar(x) == pytest.approx(3.0, abs=0.1)
    assert evaluate.rankme(x.reshape(-1, 23)) > 15


def test_tasks_read_training_images_or_views_and_larger_is_better():
    x = decaying(60, 20, 1.3).astype(np.float32)
    split = tasks.Split(outputs={"features": x}, index=np.arange(60))
    alpha = tasks.alpha_req(first=3)
    assert alpha.splits == tasks.rankme().splits == ("train",)
    numbers = alpha.run({"train": split}, KEY).numbers
    assert numbers["alpha"] == pytest.approx(1.3, rel=1e-3)
    assert numbers[alpha.best] == pytest.approx(-0.3, rel=1e-2)
    assert tasks.rankme().run({"train": split}, KEY).numbers == {
        "rankme": evaluate.rankme(x)
    }
    seen = RNG.normal(size=(8, 3, 5))
    task = tasks.lidar(views=3, examples=4)
    split = split._replace(outputs={task.needs[0]: seen})
    found = task.run({"test": split}, KEY).numbers
    assert found == {"lidar": evaluate.lidar(seen[::2])}
    with pytest.raises(ValueError, match="compares views of an image; got views=1"):
        tasks.lidar(views=1)
