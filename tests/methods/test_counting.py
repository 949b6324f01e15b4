"""Learning to Count: arXiv:1708.06734, equation 5."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, models, views
from tests.methods import shortcuts
from tests.methods.following import batch_norm, dense, flat, follow, linear, trace

MARGIN = 4.0


def counts_of(params, pictures):
    """At least 0, of all pictures [n s s c] together."""
    features = batch_norm(flat(pictures, params["encoder"]), {})
    return np.maximum(dense(features, params["counter"]["linear1"]), 0)


def terms(params, batch):
    """Distances of the own and of the other image, for each direction."""
    parts = [x if x.ndim == 5 else x[:, None] for x in batch["views"]]
    pictures = np.concatenate(parts, axis=1)
    counts = counts_of(params, pictures.reshape(-1, *pictures.shape[2:]))
    counts = counts.reshape(*pictures.shape[:2], -1)
    both = [(counts[:, 0], counts[:, 5], counts[:, 1:5])]
    if counts.shape[1] == 10:
        both.append((counts[:, 5], counts[:, 0], counts[:, 6:]))
    for whole, other, tiles in both:
        total = tiles.sum(axis=1)
        yield [((x - total) ** 2).sum(axis=1) for x in (whole, other)]


def loss(params, extra, batch):
    """The hinge is of the sum over counts; both directions are added."""
    del extra
    return sum(
        np.mean(own + np.maximum(0, MARGIN - other))
        for own, other in terms(params, batch)
    )


@pytest.mark.parametrize("both", [False, True])
def test_three_steps_count_what_the_quarters_show(rng, both):
    method = methods.counting(linear(4, norm=True), models.linear(dim=6), margin=MARGIN)
    batches = []
    for _ in range(3):
        small, other = rng.normal(size=(2, 5, 3, 3, 2))
        tiles = rng.normal(size=(2, 5, 4, 3, 3, 2))
        made = (small, tiles[0], other, tiles[1])
        batches.append({"views": made if both else made[:3]})
    hinges = []
    for before, batch, metrics, _ in follow(method, batches, loss):
        own, other = next(iter(terms(before.params, batch)))
        np.testing.assert_allclose(metrics["ssl/own"], own.mean(), 1e-6)
        np.testing.assert_allclose(metrics["ssl/other"], other.mean(), 1e-6)
        assert metrics["ssl/count"] > 0
        hinges += list(other < MARGIN)
    assert 0 < np.mean(hinges) < 1


def test_quarters_lie_in_their_places_and_the_other_image_is_the_next(rng):
    image = jnp.asarray(rng.uniform(size=(6, 8, 8, 3)), jnp.float32)
    as_is = lambda key, image, box: image  # noqa: E731
    make = views.counted(
        view=as_is, grey=0.5, normalize=False, both=True, ways=("box",)
    )
    made = jax.jit(make)(jax.random.key(0), {"image": image})
    small, tiles, other, more = map(np.asarray, made["views"])
    grey = np.ptp(small, axis=-1).max(axis=(1, 2)) < 1e-6
    assert 0 < grey.mean() < 1
    plain = np.where(grey[:, None, None, None], image.mean(-1, keepdims=True), image)
    np.testing.assert_allclose(tiles[:, 1], plain[:, :4, 4:], atol=1e-6)
    np.testing.assert_allclose(tiles[:, 2], plain[:, 4:, :4], atol=1e-6)
    boxes = plain.reshape(6, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(small, boxes, atol=1e-6)
    # The next image, but grey where this one is.
    following = np.roll(image, -1, axis=0)
    drab = following.mean(axis=-1, keepdims=True)
    following = np.where(grey[:, None, None, None], drab, following)
    boxes = following.reshape(6, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(other, boxes, atol=1e-6)
    np.testing.assert_allclose(more[:, 3], following[:, 4:, 4:], atol=1e-6)


@pytest.mark.parametrize(
    ("ways", "told"),
    [(("bicubic", "bilinear", "lanczos", "box"), False), (("bilinear",), True)],
)
def test_the_style_of_resampling_does_not_tell_what_was_made_small(rng, ways, told):
    """How rough noise is, which looks alike at all sizes, of halves and of quarters."""
    image = jnp.asarray(rng.uniform(size=(64, 8, 32, 32, 1)), jnp.float32)
    make = views.counted(view=lambda key, image, box: image, ways=ways)
    see = jax.vmap(lambda key, batch: make(key, batch)["views"][:2])
    keys = jax.random.split(jax.random.key(0), 64)
    small, tiles = jax.jit(see)(keys, {"image": image})
    pictures = np.stack([small, tiles[:, :, 0]], axis=2).reshape(-1, 16, 16)
    rough = [np.abs(np.diff(pictures, n, axis=1)).mean(axis=(1, 2)) for n in (1, 2)]
    made_small = np.tile([True, False], len(pictures) // 2)
    right = shortcuts.accuracy(np.stack(rough, axis=1), made_small)
    assert right > 0.9 if told else right < 0.6


def test_what_makes_no_sense_is_refused():
    small, tiles = jnp.ones((3, 4, 4, 2)), jnp.ones((3, 4, 4, 4, 2))
    method = methods.counting(linear(4), models.linear(dim=6))
    trace(method, {"views": (small, tiles, small)})
    for made, message in (
        ((small, tiles), "takes 3 or more views of an image; got 2"),
        ((small, tiles, small, tiles, small), "takes 3 or 4 views of an image; got 5"),
        ((small, small, small), "view 1 must have 5 axes"),
        ((small, tiles[:, :, :2], small), "view 1 must have the shape"),
        ((small, tiles, small, tiles[:, :2]), "view 3 must have the shape"),
    ):
        with pytest.raises(ValueError, match=message):
            trace(method, {"views": made})
    with pytest.raises(ValueError, match=r"margin must be positive.*got -1"):
        methods.counting(linear(4), margin=-1.0)
    still = views.center(size=9)
    for options, image, message in (
        ({}, small[:1], "two square images of even side"),
        ({"view": still}, jnp.ones((3, 9, 9, 3)), "two square images of even side"),
    ):
        options = {"view": views.center(size=4), **options}
        with pytest.raises(ValueError, match=message):
            views.counted(**options)(jax.random.key(0), {"image": image})
    with pytest.raises(ValueError, match="ways must be one of"):
        views.counted(view=still, ways=("nearest",))
    with pytest.raises(ValueError, match="ways must name one or more"):
        views.counted(view=still, ways=())
