import jax.numpy as jnp
import numpy as np
import pytest

from sslax import losses


def test_mask_on_grid_repeats_and_averages():
    mask = np.asarray([[[1, 0, 0, 1], [1, 1, 0, 0]]], np.float32)
    coarse = losses.mask_on_grid(jnp.asarray(mask), grid=(1, 2))
    np.testing.assert_array_equal(coarse, [[[0.75, 0.25]]])
    fine = losses.mask_on_grid(jnp.asarray(mask), grid=(4, 4))
    np.testing.assert_array_equal(fine, np.repeat(mask, 2, axis=1))
    mixed = losses.mask_on_grid(jnp.asarray(mask), grid=(4, 2))
    np.testing.assert_array_equal(mixed[0, :, 0], [0.5, 0.5, 1.0, 1.0])


def test_local_mim_weights_coarse_cells_by_their_fraction(rng):
    mask = np.asarray([[[1, 0], [1, 1]], [[0, 0], [0, 1]]])
    shapes = [(2, 4, 4, 3), (2, 1, 1, 5)]
    predictions = [rng.normal(size=shape) for shape in shapes]
    targets = [rng.normal(size=shape) for shape in shapes]
    fine = total = 0.0
    for b, i, j in np.ndindex(2, 4, 4):
        weight = mask[b, i // 2, j // 2]
        error = np.mean((predictions[0][b, i, j] - targets[0][b, i, j]) ** 2)
        fine, total = fine + weight * error, total + weight
    coarse = ((predictions[1] - targets[1]) ** 2).mean(-1).ravel()
    want = fine / total + np.average(coarse, weights=[0.75, 0.25])
    got = losses.local_mim(
        [jnp.asarray(x) for x in predictions],
        [jnp.asarray(x) for x in targets],
        jnp.asarray(mask),
    )
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_masked_cosine_is_scale_free_and_counts_removed_patches(rng):
    x, y = rng.normal(size=(2, 2, 3, 4))
    mask = np.asarray([[1, 0, 1], [0, 0, 1]])
    cosine = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
    want = (2 - 2 * cosine)[mask == 1].mean()
    got = losses.masked_cosine(jnp.asarray(7 * x), jnp.asarray(y), jnp.asarray(mask))
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_deep_mim_sums_layers(rng):
    x, y = (jnp.asarray(a) for a in rng.normal(size=(2, 2, 3, 4)))
    mask = jnp.ones((2, 3))
    each = [losses.masked_cosine(z, y, mask) for z in (x, -x, y)]
    np.testing.assert_allclose(
        losses.deep_mim([x, -x, y], y, mask), sum(each), rtol=1e-6
    )
    np.testing.assert_allclose(each[0] + each[1], 4, rtol=1e-6)


def test_bad_input_is_named():
    mask, x = jnp.ones((1, 2, 2)), jnp.ones((2, 2, 2, 3))
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        losses.mask_on_grid(mask, grid=(3, 2))
    with pytest.raises(ValueError, match="0 predictions"):
        losses.local_mim([], [], mask)
    with pytest.raises(ValueError, match="1 predictions and 2 targets"):
        losses.local_mim([x], [x, x], mask)
    with pytest.raises(ValueError, match="mask"):
        losses.local_mim([x], [x], mask)
    with pytest.raises(ValueError, match="0 predictions"):
        losses.deep_mim([], jnp.ones((1, 2, 3)), jnp.ones((1, 2)))
