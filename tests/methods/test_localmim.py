"""LocalMIM: arXiv:2303.05251, section 3."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import augment, methods, models
from sslax.core import Net
from tests.methods.following import follow, trace

SIDE, PATCH, CHANNELS, DIM, BINS = 8, 2, 2, 3, 3
ROWS, TAPS, CELLS = SIDE // PATCH, ("low", "high"), (2, 4)
# Lengths of a prediction of each tap.
DIMS = {
    "pixels": [CHANNELS * cell**2 for cell in CELLS],
    "hog": [CHANNELS * BINS] * 2,
}


def encoder():
    """A matrix over patches, then the mean of all seen ones; as a ViT or as a Swin."""

    def init(key, image):
        del image
        return {"w": jax.random.normal(key, (CHANNELS * PATCH**2, DIM))}, {}

    def apply(params, stats, image, keep=None, mask=None, *, train=False, key=None):
        del train, key
        tokens = augment.patchify(image, patch_size=PATCH) @ params["w"]
        if keep is not None:
            low = jnp.tanh(jnp.take_along_axis(tokens, keep[..., None], axis=1))
            high = jnp.tanh(2 * low + low.mean(axis=1, keepdims=True))
            return {"low": low, "high": high}, stats
        low = jnp.tanh(tokens.reshape(-1, ROWS, ROWS, DIM))
        seen = jnp.ones(low.shape[:3]) if mask is None else 1 - mask
        mean = jnp.einsum("bij,bijd->bd", seen, low)
        mean = mean / seen.sum(axis=(1, 2)).reshape(-1, 1)
        high = jnp.tanh(2 * low + mean[:, None, None])
        high = high.reshape(-1, ROWS // 2, 2, ROWS // 2, 2, DIM).mean(axis=(2, 4))
        return {"map": high, "low": low, "high": high}, stats

    return Net(init, apply, ("map", *TAPS))


def decoder(dims):
    """For each tap a token and the mean of what is seen at hidden places, and a matrix.

    Of a ViT's second tap it takes means of 2 x 2.
    """

    def init(key, latents, places):
        del latents, places
        keys = jax.random.split(key, 4)
        return {
            f"{name}{i}": jax.random.normal(keys[2 * i + j], shape)
            for i, dim in enumerate(dims)
            for j, (name, shape) in enumerate((("token", (DIM,)), ("w", (DIM, dim))))
        }, {}

    def apply(params, stats, latents, places, *, train=False, key=None):
        del train, key
        maps = []
        for i, x in enumerate(latents):
            token = params[f"token{i}"]
            if x.ndim == 3:
                count = places.shape[1] - x.shape[1]
                rest = x.mean(axis=1, keepdims=True) + token.reshape(1, 1, -1)
                x = jnp.concatenate([x, rest.repeat(count, axis=1)], axis=1)
                x = jnp.take_along_axis(x, places[..., None], axis=1)
                x = x.reshape(-1, ROWS, ROWS, DIM)
                if i == 1:
                    x = x.reshape(-1, 2, 2, 2, 2, DIM).mean(axis=(2, 4))
            else:
                times = x.shape[1] // places.shape[1]
                hidden = places.repeat(times, axis=1).repeat(times, axis=2)
                seen = (hidden == 0).astype(x.dtype)
                rest = jnp.einsum("bij,bijd->bd", seen, x)
                rest = rest / seen.sum(axis=(1, 2)).reshape(-1, 1) + token.reshape(
                    1, -1
                )
                x = jnp.where(hidden[..., None] > 0, rest[:, None, None], x)
            maps.append(x @ params[f"w{i}"])
        return maps, stats

    return Net(init, apply)


def by_hand(params, image, hidden):
    """The maps that two taps predict of one image, whose hidden patches are [4 4]."""
    tokens = [
        np.tanh(image[r : r + 2, c : c + 2].ravel() @ params["encoder"]["w"])
        for r in range(0, SIDE, PATCH)
        for c in range(0, SIDE, PATCH)
    ]
    low = np.array(tokens).reshape(ROWS, ROWS, DIM)
    high = np.tanh(2 * low + low[hidden == 0].mean(axis=0))
    own, taps = params["decoder"], []
    for i, x in enumerate((low, high)):
        rest = x[hidden == 0].mean(axis=0) + own[f"token{i}"]
        x = np.where(hidden[..., None] > 0, rest, x)
        taps.append(x @ own[f"w{i}"])
    taps[1] = taps[1].reshape(2, 2, 2, 2, -1).mean(axis=(1, 3))
    return taps


def cells_of(image, side):
    rows = range(0, SIDE, side)
    return [[image[r : r + side, c : c + side] for c in rows] for r in rows]


def pixels(image, side):
    def one(cell):
        return (cell - cell.mean()) / np.sqrt(cell.var(ddof=1) + 1e-6)

    return np.array([[one(c).ravel() for c in row] for row in cells_of(image, side)])


def histograms(image, side):
    """By arc tangents; the gradients of colours apart."""
    x = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="reflect")
    across, along = x[:, :-2] - x[:, 2:], x[:-2] - x[2:]
    gx = across[:-2] + 2 * across[1:-1] + across[2:]
    gy = along[:, :-2] + 2 * along[:, 1:-1] + along[:, 2:]
    bins = np.floor(np.arctan2(gx, gy) / np.pi * BINS).astype(int) % BINS
    votes = np.hypot(gx, gy)[..., None] * np.eye(BINS)[bins]

    def one(cell):
        total = cell.mean(axis=(0, 1))
        return (total / np.linalg.norm(total, axis=-1, keepdims=True)).ravel()

    return np.array([[one(c) for c in row] for row in cells_of(votes, side)])


def loss_of(target):
    def loss(params, extra, batch):
        """A mean over what is hidden for each scale; squares may be hidden in part."""
        del extra
        sums, weights = np.zeros(2), np.zeros(2)
        for image, mask in zip(batch["views"][0], batch["mask"], strict=True):
            hidden = mask.reshape(ROWS, ROWS)
            parts = hidden, hidden.reshape(2, 2, 2, 2).mean(axis=(1, 3))
            taps = by_hand(params, image, hidden)
            for i, (tap, part, side) in enumerate(zip(taps, parts, CELLS, strict=True)):
                wanted = {"pixels": pixels, "hog": histograms}[target](image, side)
                sums[i] += (part * ((tap - wanted) ** 2).mean(axis=-1)).sum()
                weights[i] += part.sum()
        return (sums / weights).sum()

    return loss


def batches(rng, swin):
    out = []
    for _ in range(3):
        image = rng.normal(size=(3, SIDE, SIDE, CHANNELS))
        if swin:
            squares = rng.permuted(np.tile([1, 1, 1, 0], (3, 1)), axis=1)
            mask = squares.reshape(3, 2, 2).repeat(2, 1).repeat(2, 2)
            out.append({"views": (image,), "mask": mask.reshape(3, -1).astype(float)})
        else:
            noise = jnp.asarray(rng.uniform(size=(3, ROWS**2)))
            drawn = augment.mask_from_noise(noise, ratio=0.6)._asdict()
            out.append({"views": (image,), **drawn})
    return out


def method(target, **kwargs):
    options = {
        "taps": TAPS,
        "cells": CELLS,
        "bins": BINS,
        "patch_size": PATCH,
        **kwargs,
    }
    return methods.localmim(encoder(), decoder(DIMS[target]), target=target, **options)


@pytest.mark.parametrize(
    ("target", "swin"), [("hog", False), ("pixels", False), ("pixels", True)]
)
def test_three_steps_predict_fine_parts_below_and_coarse_ones_above(rng, target, swin):
    follow(method(target), batches(rng, swin), loss_of(target))


def test_pictures_are_painted_unseen_where_pixels_are_predicted(rng):
    made, batch = method("pixels"), jax.device_put(batches(rng, True)[0])
    assert "pictures" not in method("hog").outputs
    hidden = batch["mask"].reshape(3, ROWS, ROWS).repeat(PATCH, 1).repeat(PATCH, 2)

    @jax.jit
    def read(batch):
        params, extra = made.init(jax.random.key(0), batch)
        found = made.outputs["features"](params, extra, batch, key=None)
        pictures = made.outputs["pictures"]
        return params, found, pictures(params, extra, batch, key=jax.random.key(0))

    params, features, shown = read(batch)
    assert features.shape == (3, DIM)
    painted = np.array(shown["painted"])
    for i, image in enumerate(np.asarray(batch["views"][0])):
        grid = np.asarray(batch["mask"][i]).reshape(ROWS, ROWS)
        finest = by_hand(params, image, grid)[0]
        for r, row in enumerate(cells_of(image, PATCH)):
            for c, cell in enumerate(row):
                own = finest[r, c].reshape(cell.shape) * cell.std(ddof=1) + cell.mean()
                wanted = own if grid[r, c] else cell
                got = cells_of(painted[i], PATCH)[r][c]
                np.testing.assert_allclose(got, wanted, rtol=1e-9)
    # A shift of what is hidden shifts what is painted: nobody has seen it.
    other = {**batch, "views": (batch["views"][0] + 3 * hidden[..., None],)}
    moved = np.array(read(other)[2]["painted"]) - painted
    np.testing.assert_allclose(moved, 3 * hidden[..., None] + 0 * moved, atol=1e-9)


def test_taps_of_transformers_have_the_shapes_of_their_targets():
    """At the sizes of the paper, from shapes alone."""
    image = jnp.zeros((1, 64, 64, 3))
    taps, size = ("block1", "block0"), {"width": 8, "depth": 2, "heads": 2}
    vit = models.vit(**size, positions="sincos", output=("map", *taps, "attention"))
    order = jnp.arange(16)[None]
    batch = {"views": (image,), "mask": 0 * order, "keep": order[:, :4]}
    made = methods.localmim(
        vit,
        models.local_mim_decoder(scales=(4, 0.5), width=16),
        taps=taps,
        cells=(4, 32),
    )
    trace(made, {**batch, "restore": order})
    taps = ("merged1", "stage2")
    swin = models.swin(
        width=4, depths=(1, 1), heads=(1, 1), window_size=4, masked="hidden",
        output=("map", *taps),
    )  # fmt: skip
    net = models.local_mim_decoder(scales=(1, 1), dim=192, width=8, heads=2)
    options = {"target": "pixels", "cells": (8, 8), "patch_size": 4}
    made = methods.localmim(swin, net, taps=taps, **options)
    mask = jnp.zeros((1, 256))
    assert trace(made, {"views": (image,), "mask": mask})[0].shape == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"taps": ("low", "top")}, "and not 'top' behind .*'low', 'top'"),
        ({"taps": ("map", "low")}, "and not 'map' behind its main output"),
        ({"cells": (2,)}, r"one for each of 2 taps; got \(2,\)"),
        ({"bins": 0}, "bins must be positive"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        method("hog", **options)


def test_what_does_not_fit_is_named_before_the_first_step(rng):
    batch = batches(rng, True)[0]
    with pytest.raises(
        ValueError, match=r"prediction \(3, 4, 4, 6\), target .*3, 4, 4, 10"
    ):
        trace(method("hog", bins=5), batch)
    with pytest.raises(ValueError, match="cells of 3 pixels do not divide"):
        trace(method("hog", cells=(2, 3)), batch)
    with pytest.raises(ValueError, match="no mask; make it with the views `masked`"):
        trace(method("hog"), {"views": batch["views"]})
    with pytest.raises(ValueError, match="target must be one of 'hog', 'pixels'"):
        methods.localmim(encoder(), decoder(DIMS["hog"]), taps=TAPS, target="rgb")
