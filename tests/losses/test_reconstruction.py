import jax.numpy as jnp
import numpy as np
import pytest

from sslax import losses


def test_masked_mse_is_mae_s():
    rng = np.random.default_rng(0)
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


def test_normalize_patches_has_unbiased_variance():
    x = np.random.default_rng(1).normal(size=(2, 7)) * 5 + 3
    want = (x - x.mean(-1, keepdims=True)) / np.sqrt(
        x.var(-1, ddof=1, keepdims=True) + 1e-6
    )
    np.testing.assert_allclose(
        losses.normalize_patches(jnp.asarray(x)), want, rtol=2e-5, atol=1e-6
    )


def test_a_patch_of_one_value_is_refused():
    with pytest.raises(ValueError, match="2 or more values"):
        losses.normalize_patches(jnp.ones((4, 1)))
