"""MAE: arXiv:2111.06377, section 3."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import augment, methods, models
from sslax.core import Net
from tests.methods.following import follow

SIDE, PATCH, CHANNELS = 6, 2, 2
COUNT, SIZE = (SIDE // PATCH) ** 2, PATCH * PATCH * CHANNELS


def encoder():
    """A matrix over the patches that it is given; the class token is their mean."""

    def init(key, image, keep=None):
        del image, keep
        return {"w": jax.random.normal(key, (SIZE, 3))}, {}

    def apply(params, stats, image, keep=None, *, train=False, key=None):
        del train, key
        tokens = augment.patchify(image, patch_size=PATCH) @ params["w"]
        if keep is not None:
            tokens = jnp.take_along_axis(tokens, keep[:, :, None], axis=1)
        mean = tokens.mean(axis=1, keepdims=True)
        return jnp.concatenate([mean, tokens], axis=1), stats

    return Net(init, apply)


def decoder():
    """A matrix over tokens at their places; hidden ones get a token and the mean."""

    def init(key, latents, restore):
        del latents, restore
        w, token = jax.random.split(key)
        return {
            "w": jax.random.normal(w, (3, SIZE)),
            "token": jax.random.normal(token, (3,)),
        }, {}

    def apply(params, stats, latents, restore, *, train=False, key=None):
        del train, key
        hidden = latents[:, :1] + params["token"].reshape(1, 1, -1)
        missing = restore.shape[1] + 1 - latents.shape[1]
        tokens = [latents[:, 1:], hidden.repeat(missing, axis=1)]
        tokens = jnp.concatenate(tokens, axis=1)
        tokens = jnp.take_along_axis(tokens, restore[:, :, None], axis=1)
        return tokens @ params["w"], stats

    return Net(init, apply)


def patches(image):
    """In raster order, each (row, column, channel)."""
    starts = range(0, SIDE, PATCH)
    cuts = [image[r : r + PATCH, c : c + PATCH] for r in starts for c in starts]
    return [cut.ravel() for cut in cuts]


def loss_of(normalize):
    def loss(params, extra, batch):
        """Of the hidden patches alone, each in its own mean and deviation."""
        del extra
        errors = []
        for image, keep in zip(batch["views"][0], batch["keep"], strict=True):
            own = patches(image)
            mean = np.mean([own[i] @ params["encoder"]["w"] for i in keep], axis=0)
            for i in set(range(COUNT)) - set(keep.tolist()):
                wanted = own[i]
                if normalize:
                    deviation = np.sqrt(wanted.var(ddof=1) + 1e-6)
                    wanted = (wanted - wanted.mean()) / deviation
                token = mean + params["decoder"]["token"]
                errors.append(np.mean((token @ params["decoder"]["w"] - wanted) ** 2))
        return np.mean(errors)

    return loss


def batches(rng):
    out = []
    for _ in range(3):
        noise = jnp.asarray(rng.uniform(size=(3, COUNT)))
        drawn = augment.mask_from_noise(noise, ratio=0.6)._asdict()
        image = rng.normal(size=(3, SIDE, SIDE, CHANNELS))
        out.append({"views": (image,), **drawn})
    return out


def method(normalize):
    nets = encoder(), decoder()
    return methods.mae(*nets, patch_size=PATCH, normalize_target=normalize)


@pytest.mark.parametrize("normalize", [True, False])
def test_three_steps_paint_what_the_mask_hides(rng, normalize):
    follow(method(normalize), batches(rng), loss_of(normalize))


def test_pictures_show_what_is_kept_and_paint_the_rest(rng):
    mae = method(False)
    batch = jax.tree.map(jnp.asarray, batches(rng)[0])
    params, extra = mae.init(jax.random.key(0), batch)
    shown = mae.outputs["pictures"](params, extra, batch, key=jax.random.key(0))
    kept = np.asarray(batch["mask"]) == 0
    whole, seen, painted = (
        np.array([patches(x) for x in np.asarray(shown[k])])
        for k in ("image", "visible", "painted")
    )
    np.testing.assert_allclose(seen, whole * kept[..., None])
    np.testing.assert_allclose(painted[kept], whole[kept], rtol=1e-12)
    assert np.abs(painted - whole)[~kept].min(axis=-1).max() > 0
    # What is hidden cannot show through.
    pixels = augment.patchify(batch["views"][0], patch_size=PATCH)
    pixels = jnp.where(kept[..., None], pixels, 9.0)
    other = augment.unpatchify(pixels, patch_size=PATCH, grid=(SIDE // PATCH,) * 2)
    batch = {**batch, "views": (other,)}
    again = mae.outputs["pictures"](params, extra, batch, key=jax.random.key(0))
    np.testing.assert_allclose(again["painted"], shown["painted"], rtol=1e-9)


def test_attention_is_read_of_an_encoder_that_gives_it():
    """In training, where patches are missing, there is none, and nothing changes."""
    small = dict(width=8, depth=1, heads=2, patch_size=PATCH)
    images = jax.random.normal(jax.random.key(0), (2, SIDE, SIDE, CHANNELS))
    keep = jnp.tile(jnp.arange(3), (2, 1))
    batch = {
        "views": (images,),
        "keep": keep,
        "restore": jnp.tile(jnp.arange(COUNT), (2, 1)),
        "mask": jnp.ones((2, COUNT)).at[:, :3].set(0),
    }
    found = []
    for output in ("tokens", ("tokens", "attention")):
        method = methods.mae(
            models.mae_encoder(**small, output=output),
            models.mae_decoder(**small, channels=CHANNELS),
            patch_size=PATCH,
        )
        params, extra = method.init(jax.random.key(1), batch)
        options = {"key": jax.random.key(2), "step": 0}
        value, _ = method.objectives["ssl"].loss(params, extra, batch, **options)
        found.append((method, value, method.outputs["features"]))
    (plain, a, features), (looking, b, same) = found
    assert a == b
    assert "attention" not in plain.outputs
    read = {"key": None}
    np.testing.assert_allclose(
        features(params, extra, batch, **read), same(params, extra, batch, **read)
    )
    weights = looking.outputs["attention"](params, extra, batch, **read)
    assert weights.shape == (2, 2, SIDE // PATCH, SIDE // PATCH)
