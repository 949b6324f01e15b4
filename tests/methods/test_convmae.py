"""ConvMAE: arXiv:2205.03892, section 3."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import augment, methods, models
from sslax.core import Net
from tests.methods.following import follow

SIDE, PATCH, CHANNELS = 8, 4, 2
COUNT, SIZE = (SIDE // PATCH) ** 2, PATCH * PATCH * CHANNELS


def encoder():
    """A matrix over the patches that it is given, and nothing else: no class token."""

    def init(key, image, keep=None):
        del image, keep
        return {"w": jax.random.normal(key, (SIZE, 3))}, {}

    def apply(params, stats, image, keep=None, *, train=False, key=None):
        del train, key
        tokens = augment.patchify(image, patch_size=PATCH) @ params["w"]
        if keep is not None:
            tokens = jnp.take_along_axis(tokens, keep[:, :, None], axis=1)
        return tokens, stats

    return Net(init, apply)


def decoder():
    """A matrix over tokens at their places; hidden ones get the mean and a token."""

    def init(key, latents, restore):
        del latents, restore
        w, token = jax.random.split(key)
        return {
            "w": jax.random.normal(w, (3, SIZE)),
            "token": jax.random.normal(token, (1, 1, 3)),
        }, {}

    def apply(params, stats, latents, restore, *, train=False, key=None):
        del train, key
        hidden = latents.mean(axis=1, keepdims=True) + params["token"]
        missing = restore.shape[1] - latents.shape[1]
        tokens = jnp.concatenate([latents, hidden.repeat(missing, axis=1)], axis=1)
        tokens = jnp.take_along_axis(tokens, restore[:, :, None], axis=1)
        return tokens @ params["w"], stats

    return Net(init, apply)


def patches(image):
    """In raster order, each (row, column, channel)."""
    starts = range(0, SIDE, PATCH)
    cuts = [image[r : r + PATCH, c : c + PATCH] for r in starts for c in starts]
    return [cut.ravel() for cut in cuts]


def loss(params, extra, batch):
    """Of the hidden patches alone, each in its own mean and deviation."""
    del extra
    errors = []
    for image, keep in zip(batch["views"][0], batch["keep"], strict=True):
        own = patches(image)
        mean = np.mean([own[i] @ params["encoder"]["w"] for i in keep], axis=0)
        for i in set(range(COUNT)) - set(keep.tolist()):
            wanted = own[i] - own[i].mean()
            wanted = wanted / np.sqrt(own[i].var(ddof=1) + 1e-6)
            token = mean + params["decoder"]["token"][0, 0]
            errors.append(np.mean((token @ params["decoder"]["w"] - wanted) ** 2))
    return np.mean(errors)


def batch(rng):
    noise = jnp.asarray(rng.uniform(size=(3, COUNT)))
    drawn = augment.mask_from_noise(noise, ratio=0.5)._asdict()
    return {"views": (rng.normal(size=(3, SIDE, SIDE, CHANNELS)),), **drawn}


def test_three_steps_paint_what_the_mask_hides(rng):
    method = methods.convmae(encoder(), decoder(), patch_size=PATCH)
    steps = follow(method, [batch(rng) for _ in range(3)], loss)
    last, images = steps[-1].after, steps[-1].batch["views"][0]
    one = {"views": (jnp.asarray(images),)}
    seen = method.outputs["map"](last.params, last.extra, one, key=None)
    whole = np.array([patches(image) for image in images])
    wanted = (whole @ last.params["encoder"]["w"]).reshape(3, 2, 2, 3)
    np.testing.assert_allclose(seen, wanted, rtol=1e-9)


@pytest.mark.parametrize("strides", [(2, 1, 2), (1, 2, 2)])
def test_hidden_places_reach_no_scale_and_every_scale_is_painted_from(rng, strides):
    """Changed pixels of a hidden place change no prediction, not even of neighbours."""
    sizes = {"widths": (2, 4, 8), "depths": (1, 1, 1), "heads": 2}
    method = methods.convmae(
        models.convmae_encoder(**sizes, strides=strides),
        models.mae_decoder(
            width=8, depth=1, heads=2, patch_size=4, channels=2, class_token=False
        ),
        patch_size=PATCH,
        normalize_target=False,
    )
    one = jax.tree.map(jnp.asarray, batch(rng))
    hidden = one["mask"].reshape(3, 2, 2)
    fine = jnp.repeat(jnp.repeat(hidden, PATCH, 1), PATCH, 2)[..., None]
    (image,) = one["views"]
    other = {**one, "views": (image + 7.0 * fine,)}

    @jax.jit
    def painted(key, *batches):
        params, extra = method.init(key, batches[0])

        def loss(params):
            ssl = method.objectives["ssl"]
            return ssl.loss(params, extra, batches[0], key=key, step=0)[0]

        shown = [method.outputs["pictures"](params, extra, b, key=key) for b in batches]
        return *shown, jax.grad(loss)(params)["encoder"]

    first, second, slopes = painted(jax.random.key(0), one, other)
    where = np.asarray(fine[..., 0] == 1)
    np.testing.assert_array_equal(first["painted"][where], second["painted"][where])
    assert np.abs(first["image"] - second["image"]).max() > 1
    for fused in ("fuse1", "fuse2"):
        assert np.abs(slopes[fused]["kernel"]).max() > 0


def test_a_mask_of_another_grid_is_told_before_the_first_step(rng):
    method = methods.convmae(encoder(), decoder(), patch_size=2)
    one = jax.tree.map(jnp.asarray, batch(rng))
    with pytest.raises(ValueError, match="give both the same patch_size"):
        jax.eval_shape(method.init, jax.random.key(0), one)
