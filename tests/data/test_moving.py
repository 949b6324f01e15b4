"""Drawn clips: by index alone, exact flow, sound tied to motion."""

import numpy as np
import pytest

from sslax import data
from sslax.data._moving import MOTIONS

ALONE = {"process_index": 0, "process_count": 1}


def test_a_clip_depends_on_seed_split_and_index_alone():
    small = {"size": 12, "frames": 4}
    source = data.moving_shapes(**small, length=40)
    again = data.moving_shapes(**small, length=20, silent=0.5)
    for key in ("video", "flow", "label", "shape"):
        np.testing.assert_array_equal(source[19][key], again[19][key])
    for other in (
        data.moving_shapes(**small, split="test")[11],
        data.moving_shapes(**small, seed=1)[11],
        source[11 + len(MOTIONS)],
    ):
        assert other["label"] == source[11]["label"]
        assert not np.array_equal(other["video"], source[11]["video"])
    np.testing.assert_array_equal(source.labels, [clip["label"] for clip in source])


def test_clips_are_loaded_as_any_source():
    source = data.source("moving_shapes/train[:10]")
    shapes = data.shapes(source, batch_size=4, canvas=64)
    loader = data.loader(source, batch_size=4, canvas=64, **ALONE)
    batch = loader.batch(1)
    assert {k: (v.shape, v.dtype) for k, v in batch.items()} == {
        k: (v.shape, v.dtype) for k, v in shapes.items()
    }
    for row, index in enumerate(batch["index"]):
        np.testing.assert_array_equal(batch["video"][row], source[int(index)]["video"])
    assert data.test_of("moving_shapes/train")["split"] == "test"


def test_large_clips_are_not_kept_in_memory(monkeypatch):
    source = data.moving_shapes(size=8, frames=4, length=16)
    assert data.loader(source, batch_size=4, **ALONE).memory
    monkeypatch.setattr("sslax.data._loader.MEMORY_LIMIT", 16 * 4 * 8 * 8 * 3)
    assert not data.loader(source, batch_size=4, **ALONE).memory


@pytest.mark.parametrize("label", range(len(MOTIONS)))
def test_the_flow_says_where_every_pixel_goes(label):
    """What is seen at x is seen at x + flow in the next frame; others stay."""
    clip = data.moving_shapes(size=96, frames=12)[label]
    video, flow = clip["video"].astype(float), clip["flow"].astype(float)
    moving, rows, columns = np.nonzero(np.abs(flow[:-1]).sum(-1) > 0.5)
    assert len(moving) > 500
    right, down = flow[moving, rows, columns].T
    there = np.rint(columns + right).astype(int), np.rint(rows + down).astype(int)
    inside = (np.minimum(*there) >= 0) & (np.maximum(*there) < 96)
    seen = video[moving, rows, columns][inside]

    def missed(rows, columns):
        after = video[moving + 1, rows.clip(0, 95), columns.clip(0, 95)][inside]
        return np.median(np.abs(after - seen).mean(-1))

    followed = missed(there[1], there[0])
    turned_around = np.rint(columns - right), np.rint(rows - down)
    wrong = missed(*(x.astype(int) for x in turned_around[::-1]))
    assert followed < 0.5 * wrong
    still = (np.abs(flow[:-1]).sum(-1) == 0) & (np.abs(flow[1:]).sum(-1) == 0)
    np.testing.assert_array_equal(video[:-1][still], video[1:][still])


def test_the_sound_is_loud_while_the_shape_is_fast():
    source = data.moving_shapes(frames=16, length=16)
    for clip in source:
        speed = np.abs(clip["flow"].astype(float)).sum(axis=(1, 2, 3))
        power = np.exp(clip["sound"]).sum(axis=1).reshape(16, 4).mean(axis=1)
        if speed.std() > 0.3 * speed.mean():
            assert np.corrcoef(speed, power)[0, 1] > 0.8
        assert power.max() > 2 * 0.01 * 16


def test_some_clips_are_silent():
    source = data.moving_shapes(size=8, frames=4, length=64, silent=0.25)
    clips = list(source)
    has_sound = np.array([clip["has_sound"] for clip in clips])
    assert 0.5 < has_sound.mean() < 0.95
    for clip, sounds in zip(clips, has_sound, strict=True):
        assert np.any(clip["sound"]) == sounds


def test_classes_may_follow_zipf_s_law():
    source = data.moving_shapes(size=8, frames=4, length=544, skew=1.0)
    shares = 1 / np.arange(1, 9)
    counts = np.bincount(source.labels) / (544 * shares / shares.sum())
    np.testing.assert_allclose(counts, 1, atol=0.1)
    assert source[7]["label"] == source.labels[7] != 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 2}, "size is 2, at least 4"),
        ({"frames": 1}, "frames is 1, at least 2"),
        ({"skew": -1.0}, "skew is -1.0, at least 0"),
        ({"silent": 1.5}, r"silent is 1.5, a share in \[0, 1\]"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        data.moving_shapes(**options)
