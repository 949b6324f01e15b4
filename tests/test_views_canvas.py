"""Images on a canvas: what views compute does not see the border of the picture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import data, views
from sslax.views._canvas import filled, placed, spread

BOX = jnp.asarray([[4, 0, 16, 24], [0, 6, 24, 12]], jnp.float32)
STILL = views.view(size=24, scale=(1.0, 1.0), ratio=(0.1, 10.0), flip=0.0)


def on_canvas(values, box=BOX):
    """Pictures of the given values on black canvases of 24 pixels."""
    image = np.zeros((2, 24, 24, 3), np.float32)
    for i, (top, left, height, width) in enumerate(np.asarray(box, int)):
        image[i, top : top + height, left : left + width] = values
    return jnp.asarray(image)


def test_spreading_and_placing_are_inverse_inside_the_box():
    image = jax.random.uniform(jax.random.key(0), (2, 24, 24, 3))
    back = placed(spread(image, BOX), BOX)
    for i, (top, left, height, width) in enumerate(np.asarray(BOX, int)):
        window = np.s_[i, top : top + height, left : left + width]
        np.testing.assert_array_equal(back[window], image[window])
        np.testing.assert_array_equal(filled(image, BOX)[window], image[window])
    assert float(filled(on_canvas(0.5), BOX).min()) == 0.5
    assert float(spread(on_canvas(0.5), BOX).min()) == 0.5


def test_exemplars_hold_no_canvas():
    """The border between picture and canvas is the strongest edge there is."""
    values = 0.5 + 0.05 * np.random.default_rng(0).uniform(size=(1, 1, 3))
    batch = {"image": on_canvas(values), "index": jnp.arange(2), "box": BOX}
    make = jax.jit(views.exemplars(patch=8, colours=False))
    for seed in range(8):
        made = make(jax.random.key(seed), batch)["views"][0]
        assert float(made.min()) > 0.49
    # A picture smaller than the patch is drawn out, and a patch lies on its corner.
    small = jnp.asarray([[4, 4, 6, 6], [0, 0, 24, 7]], jnp.float32)
    batch = {"image": on_canvas(0.5, small), "index": jnp.arange(2), "box": small}
    assert float(make(jax.random.key(0), batch)["views"][0].min()) > 0.49


def test_an_exemplar_lies_on_the_detail_of_the_picture():
    image = on_canvas(0.5)
    image = image.at[0, 12:17, 2:7].set(1.0).at[1, 16:21, 7:12].set(1.0)
    batch = {"image": image, "index": jnp.arange(2), "box": BOX}
    make = jax.jit(views.exemplars(patch=8, colours=False))
    made = [make(jax.random.key(seed), batch)["views"][0] for seed in range(8)]
    shows = np.asarray(made).max(axis=(2, 3, 4)) > 0.8
    assert shows.mean() > 0.7


@pytest.mark.parametrize(
    "make",
    [
        views.context_pairs(patch=6, gap=2, jitter=1),
        views.frame_crops(size=8),
        views.one_view(view=views.shifted(padding=2)),
    ],
)
def test_views_of_whole_images_refuse_a_canvas(make):
    batch = {"image": on_canvas(0.5), "box": BOX}
    with pytest.raises(ValueError, match="canvas"):
        jax.eval_shape(make, jax.random.key(0), batch)


def as_it_is(key, batch):
    """The image is the view."""
    del key
    return {**batch, "views": (batch["image"],)}


def test_saliency_does_not_see_the_canvas():
    """A picture on a canvas has the foreground that it has alone."""
    light = 0.6 + 0.1 * jax.random.uniform(jax.random.key(1), (6, 12, 24, 1))
    picture = jnp.broadcast_to(light, (6, 12, 24, 3)).at[:, 3:9, 6:12].add(-0.5)
    alone = picture.repeat(2, axis=1)
    canvas = jnp.zeros((6, 24, 24, 3)).at[:, 6:18].set(picture)
    box = jnp.tile(jnp.array([[6.0, 0.0, 12.0, 24.0]]), (6, 1))
    make = jax.jit(
        views.background(then=as_it_is, probability=1.0, foreground="saliency")
    )
    [made] = make(jax.random.key(0), {"image": alone})["views"]
    [same] = make(jax.random.key(0), {"image": canvas, "box": box})["views"]
    changed = np.abs(made - alone).max(-1) > 1e-6
    again = np.abs(same - canvas).max(-1) > 1e-6
    assert 0.5 < changed.mean() < 0.95
    np.testing.assert_array_equal(again[:, 6:18], changed[:, 1::2])


def test_a_swapped_negative_is_cut_by_the_box_of_what_it_shows():
    image = on_canvas(0.5)
    image = image.at[0, 9:15, 9:15].set(1.0).at[1, 9:15, 9:15].set(1.0)
    solid = (image[..., 0] == 1.0).astype(jnp.uint8)
    make = views.swapped_backgrounds(first=STILL, probability=1.0, negative=1.0)
    batch = {"image": image, "box": BOX, "foreground": solid}
    for made in jax.jit(make)(jax.random.key(0), batch)["views"]:
        assert float(made.min()) > 0.45


def test_backgrounds_find_the_exact_mask_of_the_data():
    source = data.synthetic(size=32, length=6)
    rows = [source.load(i, canvas=40) for i in range(6)]
    fields = ("image", "foreground", "box")
    batch = {field: jnp.stack([row[field] for row in rows]) for field in fields}
    make = views.background(then=as_it_is, probability=1.0)
    made = np.asarray(jax.jit(make)(jax.random.key(0), batch)["views"][0])
    solid = np.asarray(batch["foreground"]) == 1
    plain = np.asarray(batch["image"]) / 255.0
    share = solid[:, :32, :32].mean(axis=(1, 2))
    usable = (share > 0.05) & (share < 0.95)
    assert usable.any()
    for i in np.flatnonzero(usable):
        np.testing.assert_allclose(made[i][solid[i]], plain[i][solid[i]], atol=1e-6)
        assert len(np.unique(made[i][~solid[i]].round(5))) == 1
    without = {field: batch[field] for field in ("image", "box")}
    with pytest.raises(ValueError, match=r"no 'foreground'.*'saliency'"):
        make(jax.random.key(0), without)
