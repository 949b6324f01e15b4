"""What shrinks images to a canvas: Pillow, or OpenCV where a source says so."""

import dataclasses
import sys

import numpy as np
import pytest

from sslax import data
from sslax.commands.overrides import load_config
from sslax.data import _decode
from sslax.data._decode import resize
from sslax.train.run import open_source


@pytest.mark.parametrize("side", [450, 384, 300, 160])
@pytest.mark.parametrize("channels", [1, 3])
def test_opencv_shrinks_about_as_pillow_does(side, channels):
    """Less than one of 255 in the mean on a photograph, as docs/data.md says."""
    photos = pytest.importorskip("skimage.data")
    photo = np.asarray(photos.astronaut())[..., :channels]
    theirs, ours = (resize(photo, (side, side), by=by) for by in ("opencv", "pillow"))
    assert theirs.shape == ours.shape == (side, side, channels)
    assert 0.05 < np.abs(theirs.astype(float) - ours).mean() < 1.0
    deep = resize(photo.astype(np.uint16) * 257, (side, side), by="opencv")
    np.testing.assert_allclose(deep / 257, theirs, atol=1.0)


def test_masks_are_shrunk_alike():
    mask = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
    ours, theirs = (
        resize(mask, (4, 4), nearest=True, by=by) for by in ("pillow", "opencv")
    )
    np.testing.assert_array_equal(ours, theirs)


def images(folder, picture):
    """Four smooth images a little larger than the canvas."""
    return folder({f"{i}.png": picture(45, 60 + i, "png") for i in range(4)})


def batch_of(source, **options):
    return data.loader(source, batch_size=4, canvas=48, **options).batch(0)


@pytest.mark.parametrize("memory", [True, False])
def test_it_is_said_by_the_source(folder, picture, memory):
    plain = data.folder(path=images(folder, picture))
    fast = dataclasses.replace(plain, resize="opencv")
    pillow, opencv = (batch_of(s, memory=memory)["image"] for s in (plain, fast))
    apart = np.abs(pillow.astype(float) - opencv)
    assert apart.max() > 0
    assert apart.mean() < 1
    by_one = np.stack([fast.load(i, 48)["image"] for i in range(4)])
    order = batch_of(fast, memory=memory)["index"]
    np.testing.assert_array_equal(opencv, by_one[order])


def test_what_lies_beneath_is_shrunk_alike(tmp_path, folder, picture):
    """Captions are drawn afresh over images that are held in memory."""
    images(folder, picture)
    lines = "".join(f"{i}.png,a picture\n{i}.png,an image\n" for i in range(4))
    (tmp_path / "captions.csv").write_text(f"file,caption\n{lines}")
    of = data.captioned(path=tmp_path)
    plain = data.tokenized(of=of, tokenizer=data.utf8())
    assert plain.beneath is not None
    fast = dataclasses.replace(plain, resize="opencv")
    assert (batch_of(plain)["image"] != batch_of(fast)["image"]).any()


def test_images_that_are_arrays_already_are_shrunk_alike():
    plain = data.synthetic(size=60, length=4)
    fast = dataclasses.replace(plain, resize="opencv")
    assert (plain.load(0, 48)["image"] != fast.load(0, 48)["image"]).any()


def test_another_way_is_refused(monkeypatch):
    source = data.synthetic(size=16, length=4)
    with pytest.raises(ValueError, match="resize is 'cv2'; it must be 'pillow' or"):
        dataclasses.replace(source, resize="cv2")
    _decode.opencv.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ValueError, match=r"pip install 'sslax\[fast-resize\]'"):
        dataclasses.replace(source, resize="opencv")


def test_a_run_shrinks_as_its_config_says():
    fields = [("data.resize", "opencv")]
    config = load_config("configs/simclr.py:sample", fields)
    for split in ("train", "test"):
        assert open_source(config, split).resize == "opencv"


def test_a_run_from_before_there_was_a_choice_has_pillow():
    config = load_config("configs/simclr.py:sample")
    del config["data"]["resize"]
    assert open_source(config, "train").resize == "pillow"
