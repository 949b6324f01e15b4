import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import losses


def slow_hog(image, bins, cell, window):
    """One channel [h w], pixel by pixel, with an arc tangent."""
    h, w = image.shape
    padded = np.pad(image, 1, mode="reflect")
    weight = np.ones((h, w))
    if window:
        n = (np.arange(window) - (window - 1) / 2) / (window // 2)
        bell = np.exp(-0.5 * (n[:, None] ** 2 + n[None, :] ** 2))
        weight = np.tile(bell / bell.sum(), (h // window, w // window))
    out = np.zeros((h // cell, w // cell, bins))
    for i, j in np.ndindex(h, w):
        p = padded[i : i + 3, j : j + 3]
        gx = ((p[:, 0] - p[:, 2]) * [1, 2, 1]).sum()
        gy = ((p[0] - p[2]) * [1, 2, 1]).sum()
        k = int(np.floor(np.arctan2(gx, gy) / np.pi * bins)) % bins
        out[i // cell, j // cell, k] += weight[i, j] * np.hypot(gx, gy)
    return out / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-12)


@pytest.mark.parametrize(
    ("bins", "cell", "window"), [(9, 4, None), (9, 4, 8), (18, 8, None), (1, 8, None)]
)
def test_hog_is_the_slow_one(bins, cell, window):
    images = np.random.default_rng(1).normal(size=(2, 8, 16, 3))
    want = np.stack(
        [
            np.concatenate(
                [slow_hog(x[..., c], bins, cell, window) for c in range(3)], axis=-1
            )
            for x in images
        ]
    )
    got = losses.hog(jnp.asarray(images), bins=bins, cell=cell, window=window)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bins", [2, 9, 18, 26])
def test_gradients_along_the_axes_fall_on_the_upper_side_of_an_edge(bins):
    ramp = np.broadcast_to(np.linspace(-1, 1.3, 8, dtype=np.float32), (8, 8))
    for sign in (1, -1):
        across = losses.hog(jnp.asarray(sign * ramp)[None, ..., None], bins=bins)
        along = losses.hog(jnp.asarray(sign * ramp.T)[None, ..., None], bins=bins)
        assert np.argmax(across) == bins // 2
        assert np.argmax(along) == 0
        np.testing.assert_allclose([across.max(), along.max()], 1, rtol=1e-6)


def test_a_constant_image_has_no_histogram_and_no_gradient():
    flat = jnp.full((1, 8, 8, 2), 0.3)
    gradient = jax.grad(lambda x: jnp.sum(losses.hog(x) ** 2))(flat)
    assert not np.any(losses.hog(flat))
    assert not np.any(gradient)


def test_scale_and_offset_do_not_matter():
    x = jnp.asarray(np.random.default_rng(2).integers(0, 9, size=(1, 8, 8, 1)), float)
    np.testing.assert_allclose(losses.hog(4 * x + 8), losses.hog(x), atol=1e-6)


def test_bad_input_is_named():
    x = jnp.ones((1, 8, 12, 3))
    with pytest.raises(ValueError, match="cells of 5"):
        losses.hog(x, cell=5)
    with pytest.raises(ValueError, match="windows of 8"):
        losses.hog(x, cell=4, window=8)
    with pytest.raises(ValueError, match="bins"):
        losses.hog(x, cell=4, bins=0)
    with pytest.raises(ValueError, match="2 or more pixels"):
        losses.hog(jnp.ones((1, 1, 8, 3)), cell=1)
