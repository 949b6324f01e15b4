import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import losses


def test_masked_mse_is_a_mean_over_removed_patches_of_the_batch(rng):
    x, y = rng.normal(size=(2, 3, 5, 4))
    mask = np.asarray([[1, 0, 0, 1, 1], [0, 0, 0, 0, 1], [1, 1, 1, 1, 1]])
    removed = [
        np.mean((x[i, j] - y[i, j]) ** 2)
        for i in range(3)
        for j in range(5)
        if mask[i, j]
    ]
    got = losses.masked_mse(jnp.asarray(x), jnp.asarray(y), jnp.asarray(mask))
    np.testing.assert_allclose(got, np.mean(removed), rtol=1e-6)


def test_masked_mse_has_no_gradient_at_visible_patches():
    x, mask = jnp.ones((1, 3, 2)), jnp.asarray([[0, 1, 0]])
    gradient = jax.grad(losses.masked_mse)(x, 0 * x, mask)
    np.testing.assert_array_equal(np.any(gradient, axis=-1), mask == 1)


@pytest.mark.parametrize("loss", [losses.masked_mse, losses.masked_cosine])
def test_an_empty_mask_gives_zero(loss):
    x = jnp.ones((2, 3, 4))
    value, gradient = jax.value_and_grad(loss)(x, 0 * x, jnp.zeros((2, 3)))
    assert value == 0
    assert not np.any(gradient)


def test_masked_l1_divides_by_pixels_and_channels(rng):
    x, y = rng.normal(size=(2, 2, 4, 6, 3))
    mask = np.asarray([[[1, 0, 1], [0, 0, 0]], [[0, 0, 0], [0, 1, 0]]])
    total, pixels = 0.0, 0
    for b, i, j in np.ndindex(2, 4, 6):
        if mask[b, i // 2, j // 2]:
            total += np.abs(x[b, i, j] - y[b, i, j]).sum()
            pixels += 1
    want = total / (pixels + 1e-5) / 3
    got = losses.masked_l1(jnp.asarray(x), jnp.asarray(y), jnp.asarray(mask))
    np.testing.assert_allclose(got, want, rtol=1e-6)
    fine = np.repeat(np.repeat(mask, 2, axis=1), 2, axis=2)
    again = losses.masked_l1(jnp.asarray(x), jnp.asarray(y), jnp.asarray(fine))
    np.testing.assert_allclose(again, got, rtol=1e-6)


def test_masked_l1_of_an_empty_mask_is_zero():
    x = jnp.ones((1, 2, 2, 3))
    assert losses.masked_l1(x, 0 * x, jnp.zeros((1, 2, 2))) == 0


def test_normalize_patches_has_unbiased_variance(rng):
    x = rng.normal(size=(2, 7)) * 5 + 3
    want = (x - x.mean(-1, keepdims=True)) / np.sqrt(
        x.var(-1, ddof=1, keepdims=True) + 1e-6
    )
    got = losses.normalize_patches(jnp.asarray(x))
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)


def test_normalize_windows_sees_only_the_image(rng):
    x = rng.normal(size=(1, 5, 4, 2)) * 3 + 100
    want = np.empty_like(x)
    for i, j, c in np.ndindex(5, 4, 2):
        seen = x[0, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2, c]
        deviation = np.sqrt(seen.var(ddof=1) + 1e-6)
        want[0, i, j, c] = (x[0, i, j, c] - seen.mean()) / deviation
    got = losses.normalize_windows(jnp.asarray(x), window=3)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_bad_shapes_are_named():
    x = jnp.ones((2, 3, 4))
    picture = jnp.ones((1, 4, 4, 3))
    with pytest.raises(ValueError, match=r"\(2, 3, 5\)"):
        losses.masked_mse(x, jnp.ones((2, 3, 5)), jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="mask"):
        losses.masked_mse(x, x, jnp.ones((2, 4)))
    with pytest.raises(ValueError, match="empty"):
        losses.masked_mse(x[:, :0], x[:, :0], jnp.ones((2, 0)))
    with pytest.raises(ValueError, match="gh dividing 4"):
        losses.masked_l1(picture, picture, jnp.ones((1, 3, 4)))
    with pytest.raises(ValueError, match="2 or more values"):
        losses.normalize_patches(jnp.ones((4, 1)))
    with pytest.raises(ValueError, match="odd"):
        losses.normalize_windows(picture, window=4)
    with pytest.raises(ValueError, match="fewer than 2"):
        losses.normalize_windows(picture, window=1)
    with pytest.raises(ValueError, match="epsilon"):
        losses.normalize_patches(x, epsilon=0.0)
