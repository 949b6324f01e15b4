"""Decoding and the canvas with its box."""

import numpy as np
import pytest

from sslax import data
from sslax.data import _decode
from sslax.data._decode import decode, fitted, place, resize


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((375, 500), (192, 256)), ((500, 375), (256, 192)), ((100, 80), (100, 80))],
)
@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_the_canvas_keeps_the_aspect_and_never_enlarges(
    folder, picture, size, wanted, kind
):
    root = folder({f"1.{kind}": picture(*size, kind)})
    example = data.source("folder", "train", path=root).load(0, canvas=256)
    image, box = example["image"], example["box"]
    assert image.shape == (256, 256, 3)
    assert image.dtype == np.uint8
    assert box.dtype == np.float32
    np.testing.assert_array_equal(box, [0, 0, *wanted])
    height, width = wanted
    assert not image[height:].any()
    assert not image[:, width:].any()
    # The smooth image keeps its ramps: the box holds all of it, not a part.
    red, green = image[:height, :width, 0], image[:height, :width, 1]
    np.testing.assert_allclose(red[:, width // 2], np.linspace(0, 255, height), atol=6)
    np.testing.assert_allclose(green[height // 2], np.linspace(0, 255, width), atol=6)


def test_scaled_decoding_equals_a_full_one(picture):
    content = picture(800, 1200, quality=95)
    small = decode(content, channels=3, canvas=150, fast=False)
    full = resize(decode(content, channels=3, fast=False), (100, 150))
    assert small.shape == (100, 150, 3)
    np.testing.assert_allclose(small.astype(int), full.astype(int), atol=3)


def test_shrinking_is_antialiased():
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, ::2] = 255
    shrunk = resize(stripes, (16, 16))
    assert np.ptp(shrunk[:, 2:-2].astype(int)) <= 4
    np.testing.assert_allclose(shrunk.mean(), 127.5, atol=4)


def test_sizes_that_round_to_nothing():
    assert fitted(1, 1000, 10) == (1, 10)
    assert fitted(7, 7, None) == (7, 7)
    square, box = place(np.ones((2, 3, 1), np.uint8), 4)
    assert square.sum() == 6
    np.testing.assert_array_equal(box, [0, 0, 2, 3])


def test_mask_and_position_follow_the_image():
    source = data.source("synthetic", "train", size=64)
    small = source.load(4, canvas=32)
    assert small["foreground"].shape == (32, 32)
    np.testing.assert_allclose(small["position"], source[4]["position"] / 2)
    np.testing.assert_allclose(
        small["foreground"].mean(), source[4]["foreground"].mean(), atol=0.02
    )
    large = source.load(4, canvas=100)
    np.testing.assert_array_equal(large["box"], [0, 0, 64, 64])
    np.testing.assert_array_equal(
        large["foreground"][:64, :64], source[4]["foreground"]
    )


def test_pixels_without_a_known_range_are_refused(folder):
    from PIL import Image

    root = folder({"0.png": None})
    Image.fromarray(np.ones((4, 4), np.float32)).save(root / "1.tiff")
    source = data.source("folder", "train", path=root)
    with pytest.raises(data.BadExample, match=r"1\.tiff cannot be read.*mode F"):
        source[1]


@pytest.mark.parametrize("canvas", [None, 256, 100])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_fast_decoder_agrees_with_pillow(picture, canvas, channels):
    pytest.importorskip("simplejpeg")
    content = picture(375, 500, quality=95)
    fast = decode(content, channels=channels, canvas=canvas)
    slow = decode(content, channels=channels, canvas=canvas, fast=False)
    assert fast.shape == slow.shape
    np.testing.assert_allclose(fast.astype(int), slow.astype(int), atol=1)


def test_what_the_fast_decoder_refuses_goes_to_pillow(picture, monkeypatch):
    """Truncated files stop both; CMYK and harmless oddities the fast one only."""

    class Strict:
        spaces = ("CMYK", "YCbCr")

        def decode_jpeg_header(self, content):
            return 20, 30, self.spaces[len(calls) % 2], "420"

        def decode_jpeg(self, content, **options):
            calls.append(options["min_height"])
            raise ValueError("extraneous bytes before marker")

    calls = [0]
    monkeypatch.setattr(_decode, "simplejpeg", lambda: Strict())
    content = picture(20, 30)
    slow = decode(content, channels=3, fast=False)
    np.testing.assert_array_equal(decode(content, channels=3), slow)
    assert len(calls) == 2, "the fast decoder was not asked"
    calls.append(0)
    with pytest.raises(OSError, match=r"[Tt]runcated"):
        decode(content[:-60], channels=3)
    np.testing.assert_array_equal(
        decode(content, channels=3, canvas=15).shape, (10, 15, 3)
    )
