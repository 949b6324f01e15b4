"""SimMIM: arXiv:2111.09886, section 3; windows of SwinV2's code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import augment, methods, models
from sslax.core import Net
from tests.methods.following import follow, trace

SIDE, PATCH, STRIDE, CHANNELS, DIM = 8, 2, 4, 2, 3
ROWS, PLACES = SIDE // PATCH, SIDE // STRIDE


def encoder():
    """A matrix over patches, a token for hidden ones, and of four the mean and rest."""

    def init(key, image, keep=None, mask=None):
        del image, keep, mask
        w, token = jax.random.split(key)
        return {
            "w": jax.random.normal(w, (PATCH * PATCH * CHANNELS, DIM)),
            "token": jax.random.normal(token, (DIM,)),
        }, {}

    def apply(params, stats, image, keep=None, mask=None, *, train=False, key=None):
        del keep, train, key
        tokens = augment.patchify(image, patch_size=PATCH) @ params["w"]
        tokens = tokens.reshape(-1, ROWS, ROWS, DIM)
        if mask is not None:
            token = params["token"].reshape(1, 1, 1, -1)
            tokens = jnp.where(mask[..., None].astype(bool), token, tokens)
        maps = tokens.reshape(-1, PLACES, 2, PLACES, 2, DIM).mean(axis=(2, 4))
        return jnp.tanh(maps + maps.mean(axis=(1, 2), keepdims=True)), stats

    return Net(init, apply)


def by_hand(params, image, mask):
    """The painted image of one image; colours are slow in a place's pixels."""
    tokens = np.empty((ROWS, ROWS, DIM))
    for i in range(ROWS):
        for j in range(ROWS):
            cut = image[PATCH * i : PATCH * i + PATCH, PATCH * j : PATCH * j + PATCH]
            own = cut.ravel() @ params["encoder"]["w"]
            tokens[i, j] = params["encoder"]["token"] if mask[i, j] else own
    maps = np.array([
        [tokens[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((0, 1)) for j in (0, 1)]
        for i in (0, 1)
    ])  # fmt: skip
    maps = np.tanh(maps + maps.mean((0, 1)))
    painted = np.empty_like(image)
    head = params["decoder"]["pred"]
    for i in range(PLACES):
        for j in range(PLACES):
            pixels = maps[i, j] @ head["kernel"] + head["bias"]
            pixels = pixels.reshape(CHANNELS, STRIDE, STRIDE).transpose(1, 2, 0)
            rows = slice(STRIDE * i, STRIDE * (i + 1))
            painted[rows, STRIDE * j : STRIDE * (j + 1)] = pixels
    return painted


def moments(image, window):
    """Mean and variance at every pixel of what of its window lies in the image."""
    reach, mean, variance = window // 2, np.empty_like(image), np.empty_like(image)
    for i in range(SIDE):
        for j in range(SIDE):
            rows = slice(max(i - reach, 0), i + reach + 1)
            seen = image[rows, max(j - reach, 0) : j + reach + 1].reshape(-1, CHANNELS)
            mean[i, j], variance[i, j] = seen.mean(0), seen.var(0, ddof=1)
    return mean, variance


def loss_of(window):
    def loss(params, extra, batch):
        """The mean over hidden pixels and colours of the whole batch."""
        del extra
        total, count = 0.0, 0
        for image, mask in zip(batch["views"][0], batch["mask"], strict=True):
            mask = mask.reshape(ROWS, ROWS)
            target = image
            if window is not None:
                mean, variance = moments(image, window)
                target = (image - mean) / np.sqrt(variance + 1e-6)
            error = np.abs(by_hand(params, image, mask) - target)
            hidden = mask.repeat(PATCH, 0).repeat(PATCH, 1)
            total, count = (
                total + (error * hidden[..., None]).sum(),
                count + hidden.sum(),
            )
        return total / CHANNELS / (count + 1e-5)

    return loss


def batches(rng):
    """Units of 2 x 2 patches, some more and some less of them in an image."""
    out = []
    for _ in range(3):
        units = rng.permuted(
            np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0]]), axis=1
        )
        mask = units.reshape(3, 2, 2).repeat(2, 1).repeat(2, 2)
        image = rng.normal(size=(3, SIDE, SIDE, CHANNELS))
        out.append({"views": (image,), "mask": mask.reshape(3, -1).astype(float)})
    return out


def method(window=None, stride=STRIDE):
    decoder = models.simmim_decoder(patch_size=stride, channels=CHANNELS)
    return methods.simmim(encoder(), decoder, patch_size=PATCH, window=window)


@pytest.mark.parametrize("window", [None, 5])
def test_three_steps_paint_what_units_hide(rng, window):
    follow(method(window), batches(rng), loss_of(window))


@pytest.mark.parametrize("window", [None, 5])
def test_pictures_keep_what_is_seen_and_are_in_the_unit_of_the_view(rng, window):
    made, batch = method(window), jax.device_put(batches(rng)[0])
    key = jax.random.key(0)
    params, extra = jax.jit(made.init)(key, batch)
    shown = jax.jit(made.outputs["pictures"])(params, extra, batch, key=key)
    image = np.asarray(batch["views"][0])
    hidden = np.asarray(batch["mask"]).reshape(3, ROWS, ROWS)
    hidden = hidden.repeat(PATCH, 1).repeat(PATCH, 2).astype(bool)
    np.testing.assert_array_equal(shown["image"], image)
    np.testing.assert_array_equal(shown["visible"], image * ~hidden[..., None])
    np.testing.assert_array_equal(shown["painted"][~hidden], image[~hidden])
    for i, grid in enumerate(np.asarray(batch["mask"]).reshape(3, ROWS, ROWS)):
        wanted = by_hand(params, image[i], grid)
        if window is not None:
            mean, variance = moments(image[i], window)
            wanted = mean + wanted * np.sqrt(variance)
        painted = shown["painted"][i]
        np.testing.assert_allclose(painted[hidden[i]], wanted[hidden[i]], rtol=1e-9)


def test_what_is_hidden_is_painted_unseen_and_features_are_of_all(rng):
    made, batch = method(), jax.device_put(batches(rng)[0])
    hidden = batch["mask"].reshape(3, ROWS, ROWS).repeat(PATCH, 1).repeat(PATCH, 2)
    other = {**batch, "views": (batch["views"][0] + 3 * hidden[..., None],)}

    @jax.jit
    def read(batch):
        params, extra = made.init(jax.random.key(0), batch)
        key = jax.random.key(0)
        return {k: f(params, extra, batch, key=key) for k, f in made.outputs.items()}

    one, two = read(batch), read(other)
    painted = [found["pictures"]["painted"] for found in (one, two)]
    np.testing.assert_array_equal(*painted)
    np.testing.assert_allclose(one["features"], one["map"].mean((1, 2)), rtol=1e-12)
    assert np.abs(one["features"] - two["features"]).min() > 0


@pytest.mark.parametrize(
    ("change", "stride", "message"),
    [
        ({"mask": None}, STRIDE, "no mask; make it with the views `masked`"),
        (
            {"mask": np.ones((2, 9))},
            STRIDE,
            r"grid of 4 x 4 on a view of 8 x 8.*\(9,\)",
        ),
        ({"views": (np.ones((2, 7, 7, 2)),)}, STRIDE, "patch_size 2 does not divide"),
        ({"views": (np.ones((2, 8, 8, 2)),) * 2}, STRIDE, "1 views of an image; got 2"),
        ({}, 2, r"paints images of \(4, 4, 2\).*32 of Swin, 16 of ViT"),
    ],
)
def test_what_does_not_fit_is_named_before_the_first_step(change, stride, message):
    batch = {"views": (np.ones((2, 8, 8, 2)),), "mask": np.ones((2, 16)), **change}
    batch = {k: v for k, v in batch.items() if v is not None}
    with pytest.raises(ValueError, match=message):
        trace(method(stride=stride), batch)


@pytest.mark.parametrize(("window", "nearest"), [(4, 5), (1, 3), (-3, 3)])
def test_a_window_must_have_a_middle_and_a_deviation(window, nearest):
    with pytest.raises(ValueError, match=f"got {window}, and the nearest is {nearest}"):
        method(window)
