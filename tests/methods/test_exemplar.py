"""Exemplar-CNN: arXiv:1406.6909, section 3."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import methods, models, views
from tests.methods.following import cross_entropy, dense, flat, follow, linear, trace

CLASSES = 7


def loss(params, extra, batch):
    """The class of a patch is the number of its image in the data."""
    del extra
    (view,) = batch["views"]
    logits = dense(flat(view, params["encoder"]), params["classifier"]["linear1"])
    pairs = zip(logits, batch["index"], strict=True)
    return np.mean([cross_entropy(row, label) for row, label in pairs])


def test_three_steps_tell_each_image_from_all_of_the_data(rng):
    batches = [
        {"views": (rng.normal(size=(4, 3, 3, 2)),), "index": index}
        for index in np.array([[0, 3, 6, 2], [5, 1, 4, 6], [2, 0, 5, 3]], np.int32)
    ]
    method = methods.exemplar(linear(5), examples=CLASSES)
    for before, batch, metrics, _ in follow(method, batches, loss):
        head = before.params["classifier"]["linear1"]
        assert head["kernel"].shape == (5, CLASSES)
        logits = dense(flat(batch["views"][0], before.params["encoder"]), head)
        right = np.mean(logits.argmax(axis=1) == batch["index"])
        np.testing.assert_allclose(metrics["ssl/accuracy"], right, 1e-6)


def copies(make, batch, count):
    """What several steps see of a batch, [count b p p c]."""
    keys = jax.random.split(jax.random.key(1), count)
    see = jax.vmap(lambda key, batch: make(key, batch)["views"][0], (0, None))
    return np.asarray(jax.jit(see)(keys, batch))


def test_a_class_is_one_patch_whose_copies_differ():
    """The seed and the number of an image decide, not the step nor the batch."""
    rows, columns = np.mgrid[:48, :48] / 48
    ramps = np.stack([rows, columns, 0 * rows], axis=-1)[None].repeat(6, axis=0)
    batch = {"image": jnp.asarray(ramps, jnp.float32), "index": jnp.arange(6) * 3}
    make = views.exemplars(patch=8, scales=3, colours=False)
    made = copies(make, batch, 32)
    # Two channels tell the place of a window, their steepness its side and angle.
    place = 48 * made.mean(axis=(2, 3))[..., :2]
    assert place.std(axis=0).min() > 0.5
    assert np.abs(place - place.mean(axis=0)).max() < 2**0.5 * 0.25 * 8 / 0.8**2 + 1
    seeds = place.mean(axis=0)
    assert np.linalg.norm(seeds - seeds.mean(axis=0), axis=1).max() > 5
    swapped = jax.tree.map(lambda x: x[::-1], batch)
    again = copies(make, swapped, 48)
    again = 48 * again.mean(axis=(0, 2, 3))[::-1, :2]
    np.testing.assert_allclose(again, seeds, atol=2.5)
    down = 48 * np.diff(made, axis=2).mean(axis=(2, 3))[..., :2]
    side, angle = 8 * np.hypot(*down.T).T, np.rad2deg(np.arctan2(*down.T[::-1])).T
    assert 8 / 2**0.5 - 0.1 < side.min() < 6.5
    assert 15 < side.max() < 8 / 0.8**2 * 2**0.5 + 0.1
    assert np.ptp(side, axis=0).max() < side.max() / 2 + 0.5
    assert 17 < np.abs(angle).max() < 20.1


def test_strong_colours_hide_which_image_it_is():
    """A grey level tells an image in views without colours, hardly with them."""
    level = jnp.linspace(0.1, 0.9, 8)[:, None, None, None]
    image = jnp.broadcast_to(level, (8, 32, 32, 3))
    image = image + 0.05 * jax.random.normal(jax.random.key(0), image.shape)
    batch = {"image": image, "index": jnp.arange(8)}
    told = []
    for colours in (False, True):
        make = views.exemplars(patch=8, scales=1, colours=colours)
        means = copies(make, batch, 24).mean(axis=(2, 3, 4))
        told.append(means.mean(axis=0).var() / means.var())
    assert told[0] > 0.9
    assert told[1] < 0.3


def test_what_makes_no_sense_is_refused():
    batch = {"views": (jnp.ones((2, 8, 8, 3)),)}
    method = methods.exemplar(models.convnet(widths=(4,)), examples=2)
    with pytest.raises(ValueError, match=r"needs `index`.* has \['views'\]"):
        trace(method, batch)
    with pytest.raises(ValueError, match="takes 1 views of an image; got 2"):
        trace(method, {"views": batch["views"] * 2, "index": jnp.arange(2)})
    with pytest.raises(ValueError, match="class by `index`"):
        views.exemplars(patch=8)(jax.random.key(0), {"image": batch["views"][0]})
    with pytest.raises(ValueError, match=r"examples must be the 2 or more.*; got 1"):
        methods.exemplar(models.convnet(), examples=1)
    with pytest.raises(ValueError, match="'conv3' is no output"):
        methods.exemplar(models.convnet(), examples=9, features="conv3")
    with pytest.raises(ValueError, match="scales must be positive"):
        views.exemplars(scales=0)
