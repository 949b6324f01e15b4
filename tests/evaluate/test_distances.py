"""Fréchet and kernel distance against plain readings of their definitions."""

import jax
import numpy as np
import pytest
import scipy.linalg

from sslax import evaluate

KEY = jax.random.key(0)


def drawn(n, d, *, seed=0, scale=1.0):
    """Correlated features away from 0."""
    rng = np.random.default_rng(seed)
    return scale * (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal())


def slow_frechet(x, y):
    """By the root of the product of covariances, as the definition has it."""
    root = scipy.linalg.sqrtm(np.cov(x.T) @ np.cov(y.T))
    between = np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2)
    return between + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * np.real(root))


def slow_frechet_of_few(x, y):
    """By symmetric roots, which take covariances without full rank."""

    def root(a):
        values, vectors = np.linalg.eigh(a)
        return (vectors * np.sqrt(values.clip(0))) @ vectors.T

    cov_x, cov_y = np.cov(x.T), np.cov(y.T)
    half = root(cov_x)
    between = np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2)
    return between + np.trace(cov_x + cov_y - 2 * root(half @ cov_y @ half))


@pytest.mark.parametrize(("n", "m", "d"), [(60, 90, 7), (300, 40, 12), (50, 50, 1)])
def test_frechet_is_its_definition(n, m, d):
    x, y = drawn(n, d), drawn(m, d, seed=1, scale=1.5)
    if d == 1:  # np.cov of one column is no matrix
        deviations = x.std(ddof=1), y.std(ddof=1)
        expected = (x.mean() - y.mean()) ** 2 + np.subtract(*deviations) ** 2
    else:
        expected = slow_frechet(x, y)
    found = evaluate.frechet_distance(x, y)
    assert found == pytest.approx(expected, rel=1e-10)
    assert evaluate.frechet_distance(y, x) == pytest.approx(found, rel=1e-12)
    # Float32 features lose their own digits and no more.
    small = evaluate.frechet_distance(np.float32(x), np.float32(y))
    assert small == pytest.approx(found, rel=1e-5)


def test_frechet_of_gaussians_has_closed_forms():
    x = drawn(500, 6)
    moved = np.arange(6.0)
    by_mean = evaluate.frechet_distance(x, x + moved)
    assert by_mean == pytest.approx(np.sum(moved**2), rel=1e-10)
    # Covariances that commute: the squared difference of deviations.
    scaled = x.mean(axis=0) + 3 * (x - x.mean(axis=0))
    by_spread = evaluate.frechet_distance(x, scaled)
    assert by_spread == pytest.approx(4 * x.var(axis=0, ddof=1).sum(), rel=1e-10)
    assert 0 <= evaluate.frechet_distance(x, x[::-1]) < 1e-10
    # One dimension and one axis out of 4096: no matrix of dimensions is inverted.
    flat = np.zeros((3, 4096))
    flat[:, 0] = [-1, 0, 1]
    other = np.roll(flat, 1, axis=1)
    assert evaluate.frechet_distance(flat, other) == pytest.approx(2.0, rel=1e-12)
    assert evaluate.frechet_distance(np.ones((2, 3)), np.zeros((4, 3))) == 3.0


def test_frechet_of_fewer_images_than_dimensions_is_the_limit():
    x, y = drawn(10, 24), drawn(15, 24, seed=1)
    found = evaluate.frechet_distance(x, y)
    # The root of rounding, about 1e-8 of the spread, is in the plain reading.
    assert found == pytest.approx(slow_frechet_of_few(x, y), rel=1e-6)
    assert 0 <= evaluate.frechet_distance(x, x) < 1e-10


def test_frechet_of_rows_in_parts_is_that_of_all(monkeypatch):
    x, y = drawn(300, 5), drawn(200, 5, seed=1)
    whole = evaluate.frechet_distance(x, y)
    parts = []

    def few(x, numbers=0):
        parts.append(len(x))
        return (x[i : i + 7] for i in range(0, len(x), 7))

    monkeypatch.setattr("sslax.evaluate._distances.parts_of", few)
    assert evaluate.frechet_distance(x, y) == pytest.approx(whole, rel=1e-12)
    assert parts


def slow_mmd(x, y):
    """Term by term."""
    d = x.shape[1]

    def kernel(a, b):
        return (float(a @ b) / d + 1) ** 3

    n, m = len(x), len(y)
    total = sum(
        kernel(z[i], z[j]) / (len(z) * (len(z) - 1))
        for z in (x, y)
        for i in range(len(z))
        for j in range(len(z))
        if i != j
    )
    return total - 2 * sum(kernel(a, b) for a in x for b in y) / (n * m)


def test_kernel_distance_of_all_rows_is_its_definition():
    x, y = drawn(12, 5), drawn(12, 5, seed=1)
    mean, deviation = evaluate.kernel_distance(x, y, key=KEY, subsets=3, size=12)
    assert mean == pytest.approx(slow_mmd(x, y), rel=1e-10)
    assert deviation < 1e-9 * abs(mean)
    swapped, _ = evaluate.kernel_distance(y, x, key=KEY, subsets=1, size=12)
    assert swapped == pytest.approx(mean, rel=1e-10)


def test_kernel_distance_is_the_mean_of_subsets_without_repetition():
    x, y = drawn(3, 4), drawn(4, 4, seed=1)
    options = dict(subsets=400, size=2)
    mean, deviation = evaluate.kernel_distance(x, y, key=KEY, **options)
    pairs = [
        slow_mmd(np.delete(x, i, axis=0), y[[j, k]])
        for i in range(3)
        for j in range(4)
        for k in range(j)
    ]
    # Of 18 values 400 draws: six deviations of their mean.
    assert abs(mean - np.mean(pairs)) < 6 * np.std(pairs) / 20
    assert deviation == pytest.approx(np.std(pairs), rel=0.2)
    again = evaluate.kernel_distance(x, y, key=KEY, **options)
    assert again == (mean, deviation)
    other = evaluate.kernel_distance(x, y, key=jax.random.key(1), **options)
    assert other != again


def test_kernel_distance_has_no_bias():
    rng = np.random.default_rng(0)
    sets = rng.normal(size=(100, 2, 20, 6))
    options = dict(key=KEY, subsets=1, size=20)
    found = [evaluate.kernel_distance(*pair, **options)[0] for pair in sets]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))
    assert 0.3 < np.mean(np.less(found, 0)) < 0.8
    # The expectation is that of large sets; Fréchet's is not.
    x, y = rng.normal(size=(4000, 6)), rng.normal(size=(4000, 6)) + 0.5
    few, deviation = evaluate.kernel_distance(x, y, key=KEY, subsets=200, size=20)
    many, _ = evaluate.kernel_distance(x, y, key=KEY, subsets=4, size=1000)
    assert abs(few - many) < 5 * deviation / np.sqrt(200)
    small = evaluate.frechet_distance(x[:20], y[:20])
    assert small > 1.5 * evaluate.frechet_distance(x, y)


def test_without_a_size_subsets_are_half_of_few_images():
    x, y = drawn(40, 5), drawn(21, 5, seed=1)
    found = evaluate.kernel_distance(x, y, key=KEY, subsets=5)
    assert found == evaluate.kernel_distance(x, y, key=KEY, subsets=5, size=10)
    assert found[1] > 0


@pytest.mark.parametrize(
    "distance",
    [evaluate.frechet_distance, lambda x, y: evaluate.kernel_distance(x, y, key=KEY)],
)
def test_what_cannot_be_compared_is_told(distance):
    x = drawn(8, 3)
    with pytest.raises(ValueError, match=r"same width d, got x \(8, 3\), y \(8, 2\)"):
        distance(x, x[:, :2])
    with pytest.raises(ValueError, match=r"y has 1 row: .* from 2 images"):
        distance(x, x[:1])
    bad = x.copy()
    bad[2, 1] = np.nan
    with pytest.raises(ValueError, match="x is not finite in 1 of 8 rows"):
        distance(bad, x)
    with pytest.raises(ValueError, match=r"x must be \[n d\]"):
        distance(x[0], x)


def test_subsets_are_of_rows_that_are_there():
    x = drawn(8, 3)
    for size in (1, 9):
        with pytest.raises(ValueError, match=rf"from 2 to .* 8; got {size}"):
            evaluate.kernel_distance(x, x, key=KEY, size=size)
    with pytest.raises(ValueError, match="subsets"):
        evaluate.kernel_distance(x, x, key=KEY, subsets=0)
