"""Context prediction: arXiv:1505.05192, section 3."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from sslax import methods, models, views
from tests.methods import shortcuts
from tests.methods.following import (
    batch_norm,
    cells,
    cross_entropy,
    dense,
    flat,
    follow,
    linear,
    trace,
)

HEAD = models.caffenet_head(dim=8, hidden=(6, 5))
PLACES = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


def logits_of(params, codes):
    """Two hidden layers; batch norm without scale behind the first."""
    head = params["head"]
    x = np.maximum(batch_norm(dense(codes, head["linear1"]), {}), 0)
    return dense(np.maximum(dense(x, head["linear2"]), 0), head["linear3"])


def codes_of(params, view):
    """All patches of an array pass together; batch norm shows it."""
    count = view.shape[:2]
    codes = flat(view.reshape(-1, *view.shape[2:]), params["encoder"])
    return batch_norm(codes, {}).reshape(*count, -1)


def asked(params, batch):
    """Logits of all pairs, and the answers."""
    codes = np.concatenate([codes_of(params, v) for v in batch["views"]], axis=1)
    pairs = [
        np.concatenate([codes[i, first], codes[i, second]])
        for i, image in enumerate(batch["pairs"])
        for first, second in image
    ]
    return logits_of(params, np.stack(pairs)), np.ravel(batch["position"])


def loss(params, extra, batch):
    del extra
    rows = zip(*asked(params, batch), strict=True)
    return np.mean([cross_entropy(row, label) for row, label in rows])


def test_three_steps_on_pairs_of_patches_that_pass_together(rng):
    batches = [
        {
            "views": tuple(rng.normal(size=(2, n, 3, 3, 2)) for n in counts),
            "pairs": rng.integers(0, 4, (2, 5, 2)).astype(np.int32),
            "position": rng.integers(0, 8, (2, 5)).astype(np.int32),
        }
        for counts in ((4,), (3, 1), (4,))
    ]
    method = methods.context_prediction(linear(4, norm=True), HEAD)
    for part in (batches[:1] + batches[2:], batches[1:2]):
        for before, batch, metrics, _ in follow(method, part, loss):
            logits, labels = asked(before.params, batch)
            right = np.mean(logits.argmax(axis=1) == labels)
            np.testing.assert_allclose(metrics["ssl/accuracy"], right, 1e-6)


def test_a_position_is_where_the_second_patch_lies_around_the_first():
    """Squares of rows and columns tell where a patch was cut at any contrast."""
    place = np.stack(np.mgrid[:24, :24], axis=-1) / 24
    image = jnp.asarray(place[None].repeat(8, axis=0) ** 2, jnp.float32)
    options = {"pixelate": 0.0, "colours": "keep", "level": 1.0}
    make = views.context_pairs(patch=5, gap=3, jitter=1, **options)
    made = jax.jit(make)(jax.random.key(0), {"image": image})
    patches = np.asarray(made["views"][0])
    at = [
        np.diff(patches[..., i], axis=2 + i).mean(axis=(2, 3))
        / np.diff(patches[..., i], 2, axis=2 + i).mean(axis=(2, 3))
        for i in range(2)
    ]
    at = np.stack(at, axis=-1)
    for pairs, position, where in zip(made["pairs"], made["position"], at, strict=True):
        assert len(pairs) == 40
        apart = (where[pairs[:, 1]] - where[pairs[:, 0]]) / (5 + 3)
        moved = np.abs(apart - np.array(PLACES)[position])
        assert 0 < moved.max() < 2.01 / 8
    assert np.ptp(at[:, 0], axis=0).min() > 2


def aberrant(rng, count=192, side=40):
    """Grey clouds whose green is larger than their red and blue, about the centre."""
    at = np.stack(np.mgrid[:side, :side]).astype(float)
    middle = (side - 1) / 2
    images = []
    for _ in range(count):
        cloud = gaussian_filter(rng.normal(size=(side + 8, side + 8)), 1.0)
        green, other = (
            map_coordinates(cloud, (at - middle) * zoom + middle + 4, order=3)
            for zoom in (0.94, 1.0)
        )
        images.append(np.stack([other, green, other], axis=-1))
    images = np.stack(images)
    return np.float32(0.5 + images / (6 * images.std()))


@pytest.mark.parametrize(
    ("colours", "told"), [("drop", False), ("project", False), ("keep", True)]
)
def test_chromatic_aberration_does_not_tell_the_place(rng, colours, told):
    """How far green lies from magenta along each axis, of patches of clouds alone."""
    make = views.context_pairs(
        patch=10, gap=4, jitter=1, colours=colours, pixelate=0.0, level=1.0
    )
    batch = {"image": jnp.asarray(aberrant(rng))}
    patches = np.asarray(jax.jit(make)(jax.random.key(0), batch)["views"][0])
    red, green, blue = np.moveaxis(patches, -1, 0)
    cues = []
    for one, other in ((green, red), (green, blue), (red, blue)):
        slopes = np.gradient(other, axis=(2, 3))
        size = sum((slope**2).mean(axis=(2, 3)) for slope in slopes)
        for slope in slopes:
            shift = ((one - other) * slope).mean(axis=(2, 3))
            cues.append(shift / (size + 1e-6))
    cues = np.stack(cues, axis=-1).reshape(-1, 6).round(4)  # no rounding errors
    right = shortcuts.accuracy(cues, np.tile(np.arange(9), len(patches)))
    assert right > 0.5 if told else abs(right - 1 / 9) < 0.06


def test_what_is_evaluated_is_the_mean_of_codes_or_the_mean_of_each_map(rng):
    batch = views.context_pairs(patch=4, gap=0, jitter=0, level=1.0, colours="keep")(
        jax.random.key(0), {"image": jnp.asarray(rng.normal(size=(2, 12, 12, 3)))}
    )
    for name, shape in ((None, (2, 5)), ("map", (2, 45))):
        method = methods.context_prediction(cells(5), HEAD, features=name)
        params, extra = method.init(jax.random.key(0), batch)
        found = method.outputs["features"](params, extra, batch, key=jax.random.key(0))
        means = batch["views"][0].mean(axis=(2, 3)) @ params["encoder"]["w"]
        wanted = means.mean(axis=1) if name is None else means.reshape(2, -1)
        assert found.shape == shape
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_what_makes_no_sense_is_refused():
    method = methods.context_prediction(linear(4), HEAD)
    patches, index = jnp.ones((2, 4, 3, 3, 2)), jnp.zeros((2, 5), jnp.int32)
    good = {"views": (patches,), "pairs": jnp.zeros((2, 5, 2), int), "position": index}
    trace(method, good)
    for change, message in (
        ({"views": (patches[:, 0],)}, "view 0 must have 5 axes"),
        ({"pairs": good["pairs"][:1]}, "pairs must have the shape"),
        ({"position": index[:, :1]}, "position must have the shape"),
    ):
        with pytest.raises(ValueError, match=message):
            trace(method, {**good, **change})
    with pytest.raises(ValueError, match=r"needs 'pairs', as views.context_pairs"):
        trace(method, {"views": (patches,)})
    with pytest.raises(ValueError, match="logits must have the shape"):
        trace(methods.context_prediction(linear(4), models.linear(dim=4)), good)
    with pytest.raises(ValueError, match="'conv4' is no output"):
        methods.context_prediction(models.convnet(), features="conv4")
    with pytest.raises(ValueError, match="gap must be 0 or more"):
        views.context_pairs(gap=-1)
