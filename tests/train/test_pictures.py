"""One drawer for all views: what it shows, where, and that nothing makes it fail."""

import jax
import numpy as np
import pytest

from sslax.train.pictures import as_picture, grid, pictures
from tests.test_views import BATCH, BUILDERS

WHOLE = ("context_pairs", "frame_crops")  # that take no canvas


@pytest.mark.parametrize("name", BUILDERS)
def test_whatever_views_make_can_be_drawn(name):
    given = {k: x for k, x in BATCH.items() if k != "box" or name not in WHOLE}
    shapes = jax.eval_shape(BUILDERS[name], jax.random.key(0), given)
    rng = np.random.default_rng(0)
    batch = jax.tree.map(
        lambda s: np.asarray(3.0 * rng.uniform(size=s.shape) - 1.0).astype(s.dtype),
        shapes,
    )
    columns = pictures(batch, images=3)
    names = [column for column, _ in columns]
    assert names[0] == "image"
    assert sum(n.startswith("view") for n in names) == len(batch["views"])
    for _, drawn in columns:
        assert len(drawn) == 3
        assert all(p.dtype == np.uint8 and p.shape[-1] == 3 for p in drawn)
    assert grid(columns, side=16).shape == (60, 20 * len(columns), 3)


def test_masks_are_dimmed_boxes_drawn_and_patches_laid_out():
    mask = np.zeros((3, 4), np.float32)
    mask[:, 3] = 1
    foreground = np.zeros((3, 8, 8), np.uint8)
    foreground[:, :4] = 1
    batch = {
        "image": np.full((3, 8, 8, 1), 128, np.uint8),
        "views": (np.full((3, 8, 8, 3), 0.5, np.float32), np.ones((3, 4, 5, 5, 3))),
        "mask": mask,
        "foreground": foreground,
        "coordinates": np.tile(np.array([0.0, 0.0, 0.5, 1.0]), (3, 2, 1)),
        "index": np.arange(3),
    }
    columns = dict(pictures(batch, images=2))
    assert list(columns) == ["image", "view 1", "view 2", "foreground"]
    image, view, patches, front = (drawn[0] for drawn in columns.values())
    assert image[0, 0].tolist() == [235, 90, 40]
    assert image[6, 6].tolist() == [128, 128, 128]
    assert view[0, 0].tolist() == [128, 128, 128]
    assert view[7, 7].tolist() == [32, 32, 32]
    assert patches.shape == (12, 12, 3)
    assert front[0, 0].tolist() == [255] * 3
    assert front[7, 0].tolist() == [0] * 3
    made = grid(list(columns.items()), side=16)
    assert made.shape == (2 * 20, 4 * 20, 3)
    with pytest.raises(ValueError, match="no views"):
        pictures({"image": batch["image"]})


def test_clips_are_drawn_by_their_frames_and_several_by_number():
    clip, sound = np.ones((3, 4, 6, 6, 3), np.float32), np.ones((3, 8, 8, 1))
    batch = {"views": (clip,), "shuffled": (clip, sound), "video": clip}
    columns = dict(pictures(batch, images=2))
    assert list(columns) == ["view", "shuffled 1", "shuffled 2", "video"]
    assert columns["shuffled 1"][0].shape == columns["view"][0].shape == (14, 14, 3)


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        ((8, 8), (8, 8, 3)),
        ((8, 8, 1), (8, 8, 3)),
        ((8, 8, 2), (8, 16, 3)),  # two channels of a colour space
        ((8, 8, 9), (8, 24, 3)),  # three frames
        ((9, 4, 4, 3), (15, 15, 3)),  # tiles
        ((2, 3, 4, 4, 3), (10, 15, 3)),  # a grid of patches
        ((4, 6, 6, 2), (14, 26, 3)),
    ],
)
def test_any_shape_of_an_example_has_a_picture(rng, shape, drawn):
    x = rng.uniform(-2.0, 2.0, size=shape).astype(np.float32)
    picture = as_picture(x)
    assert picture.shape == drawn
    assert picture.min() < 30
    assert picture.max() > 220
