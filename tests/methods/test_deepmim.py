"""DeepMIM: arXiv:2303.08817, section 3."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import augment, methods
from sslax.core import Net
from tests.methods.following import follow, trace, unit

SIDE, PATCH, CHANNELS = 4, 2, 3
COUNT, SIZE = (SIDE // PATCH) ** 2, PATCH * PATCH * CHANNELS
TAPS = ("block0", "tokens")


def encoder():
    """Two layers, each a matrix; the upper one through tanh stands for the norm."""

    def init(key, image, keep=None):
        del image, keep
        below, above = jax.random.split(key)
        return {
            "below": jax.random.normal(below, (SIZE, 3)) / 3,
            "above": jax.random.normal(above, (3, 3)) / 3,
        }, {}

    def apply(params, stats, image, keep=None, *, train=False, key=None):
        del train, key
        x = augment.patchify(image, patch_size=PATCH) @ params["below"]
        if keep is not None:
            x = jnp.take_along_axis(x, keep[:, :, None], axis=1)
        x = jnp.concatenate([x.mean(axis=1, keepdims=True), x], axis=1)
        return {"tokens": jnp.tanh(x @ params["above"]), "block0": x}, stats

    return Net(init, apply, ("tokens", "block0"))


def decoder(dim):
    """A matrix for each tap; hidden patches are read off the class token."""

    def init(key, latents, restore):
        del restore
        keys = jax.random.split(key, len(latents))
        return {
            f"w{i}": jax.random.normal(k, (3, dim)) / 2 for i, k in enumerate(keys)
        }, {}

    def apply(params, stats, latents, restore, *, train=False, key=None):
        del train, key
        out = []
        for i, x in enumerate(latents):
            missing = restore.shape[1] + 1 - x.shape[1]
            full = jnp.concatenate([x[:, 1:], x[:, :1].repeat(missing, axis=1)], axis=1)
            full = jnp.take_along_axis(full, restore[:, :, None], axis=1)
            out.append(full @ params[f"w{i}"])
        return out, stats

    return Net(init, apply)


def teacher(dim=5):
    """A matrix over patches, after a class token that nobody should read."""

    def init(key, image):
        del image
        return {"w": jax.random.normal(key, (SIZE, dim))}, {}

    def apply(params, stats, image, *, train=False, key=None):
        assert not train
        assert key is None
        x = augment.patchify(image, patch_size=PATCH) @ params["w"]
        return jnp.concatenate([9.0 + 0 * x[:, :1], x], axis=1), stats

    return Net(init, apply)


def patches(image):
    """In raster order, each (row, column, channel)."""
    starts = range(0, SIDE, PATCH)
    cuts = [image[r : r + PATCH, c : c + PATCH] for r in starts for c in starts]
    return np.array([cut.ravel() for cut in cuts])


def loss_of(target, distance):
    """The sum over taps of the mean over hidden patches."""

    def loss(params, extra, batch):
        errors = [[], []]
        for image, keep in zip(batch["views"][0], batch["keep"], strict=True):
            own = patches(image)
            below = np.mean(own[keep] @ params["encoder"]["below"], axis=0)
            taps = below, np.tanh(below @ params["encoder"]["above"])
            for i in set(range(COUNT)) - set(keep.tolist()):
                wanted = target(extra, image, i)
                for t, x in enumerate(taps):
                    x = x @ params["decoder"][f"w{t}"]
                    errors[t].append(distance(x, wanted))
        return np.mean(errors[0]) + np.mean(errors[1])

    return loss


def pixels(extra, image, i):
    del extra
    own = patches(image)[i]
    return (own - own.mean()) / np.sqrt(own.var(ddof=1) + 1e-6)


MEAN = {"imagenet": (0.485, 0.456, 0.406), "half": 0.5}
STD = {"imagenet": (0.229, 0.224, 0.225), "half": 0.5}


def features(extra, image, i):
    image = image * STD["imagenet"] + MEAN["imagenet"]
    image = (image - MEAN["half"]) / STD["half"]
    return patches(image)[i] @ extra["teacher"]["encoder"]["w"]


def batch(rng):
    noise = jnp.asarray(rng.uniform(size=(3, COUNT)))
    drawn = augment.mask_from_noise(noise, ratio=0.5)._asdict()
    return {"views": (rng.normal(size=(3, SIDE, SIDE, CHANNELS)),), **drawn}


def made(dim, **options):
    return methods.deepmim(
        encoder(), decoder(dim), **{"taps": TAPS, "patch_size": PATCH, **options}
    )


def test_every_tap_paints_the_pixels_and_trains_the_layers_below(rng):
    loss = loss_of(pixels, lambda x, y: np.mean((x - y) ** 2))
    method = made(SIZE)
    *_, last = follow(method, [batch(rng) for _ in range(3)], loss)
    parts = [last.metrics[f"ssl/{tap}"] for tap in TAPS]
    np.testing.assert_allclose(last.metrics["ssl/loss"], sum(parts), rtol=1e-12)
    given, key = jax.device_put(last.batch), jax.random.key(0)
    shown = method.outputs["pictures"](
        last.after.params, last.after.extra, given, key=key
    )
    image, params = np.asarray(last.batch["views"][0][0]), last.after.params
    keep = last.batch["keep"][0]
    hidden = sorted(set(range(COUNT)) - set(keep.tolist()))[0]
    below = np.mean(patches(image)[keep] @ params["encoder"]["below"], axis=0)
    top = np.tanh(below @ params["encoder"]["above"]) @ params["decoder"]["w1"]
    own = patches(image)[hidden]
    painted = patches(np.asarray(shown["painted"][0]))[hidden]
    np.testing.assert_allclose(painted, top * own.std(ddof=1) + own.mean(), rtol=1e-9)


def test_every_tap_learns_the_features_of_a_teacher_that_stays(rng):
    loss = loss_of(features, lambda x, y: 2 - 2 * unit(x) @ unit(y))
    method = made(
        5, teacher=teacher(), normalized="imagenet", teacher_normalized="half"
    )
    steps = follow(method, [batch(rng) for _ in range(3)], loss)
    jax.tree.map(
        np.testing.assert_array_equal,
        steps[0].before.extra["teacher"],
        steps[-1].after.extra["teacher"],
    )
    assert "pictures" not in method.outputs
    assert method.given == ("extra/teacher",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"taps": ("block1", "tokens")}, r"tap 'block1' is none .*\('tokens', 'block1"),
        ({"normalized": "imagenet"}, "by None: give both or none"),
    ],
)
def test_what_cannot_be_is_told_when_the_method_is_made(options, message):
    with pytest.raises(ValueError, match=message):
        made(SIZE, **options)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (lambda: made(7), "predicts 7 numbers of a patch, its target has 12"),
        (lambda: made(4, teacher=teacher()), "make it with dim=5"),
        (lambda: made(5, teacher=coarse()), "features of 1 places, .* 2 x 2 patches"),
        (lambda: made(SIZE, patch_size=1), "give both the same patch_size"),
    ],
)
def test_what_does_not_fit_is_told_before_the_first_step(rng, method, message):
    with pytest.raises(ValueError, match=message):
        trace(method(), jax.device_put(batch(rng)))


def coarse():
    """A teacher whose patch is the whole image."""

    def apply(params, stats, image, **options):
        del options
        return image.mean(axis=(1, 2), keepdims=True) @ params["w"], stats

    return Net(lambda key, image: ({"w": jnp.ones((CHANNELS, 5))}, {}), apply)
