"""The picture of views: what it shows, where."""

import numpy as np
import pytest

from sslax.commands.show_views import grid


def test_grid_draws_masks_and_boxes():
    image = np.full((3, 8, 8, 1), 128, np.uint8)
    mask = np.zeros((3, 4), np.float32)
    mask[:, 3] = 1
    batch = {
        "image": image,
        "views": (np.full((3, 8, 8, 3), 0.5, np.float32), np.ones((3, 4, 5, 5, 3))),
        "mask": mask,
        "coordinates": np.tile(np.array([0.0, 0.0, 0.5, 1.0]), (3, 2, 1)),
    }
    made = grid(batch, images=2, side=16)
    assert made.shape == (2 * 20, 3 * 20, 3)
    assert made.dtype == np.uint8
    assert made[0, 0].tolist() == [235, 90, 40]
    assert made[4, 4].tolist() == [128, 128, 128]
    assert made[2, 22].tolist() == [128, 128, 128]
    assert made[14, 34].tolist() == [32, 32, 32]
    assert made[1, 41].tolist() == [255, 255, 255]
    with pytest.raises(ValueError, match="no views"):
        grid({"image": image})
