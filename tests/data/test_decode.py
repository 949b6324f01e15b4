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
    example = data.folder(path=root).load(0, canvas=256)
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
    source = data.synthetic(size=64)
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


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "empty"), (b"a letter", "of no known format")]
)
def test_files_that_are_no_images_are_told_in_words(folder, content, said):
    source = data.folder(path=folder({"0.png": None, "1.png": content}))
    with pytest.raises(
        data.BadExample, match=rf"1\.png cannot be decoded: it is {said}"
    ):
        source[1]


def test_pixels_without_a_known_range_are_refused(folder):
    from PIL import Image

    root = folder({"0.png": None})
    Image.fromarray(np.ones((4, 4), np.float32)).save(root / "1.tiff")
    source = data.folder(path=root)
    with pytest.raises(data.BadExample, match=r"1\.tiff cannot be decoded.*mode F"):
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


def test_pictures_too_large_to_decode_whole_are_refused_by_name(
    folder, picture, monkeypatch
):
    monkeypatch.setattr(_decode, "MAX_PIXELS", 100 * 100)
    root = folder({"0.png": picture(101, 100, "png"), "1.jpg": picture(240, 240)})
    source = data.folder(path=root)
    with pytest.raises(data.BadExample, match=r"0\.png .*has 100 x 101 pixels, more"):
        source[0]
    # A JPEG is scaled while it is decoded, if the canvas lets it.
    assert source.load(1, canvas=60)["image"].shape == (60, 60, 3)
    with pytest.raises(data.BadExample, match=r"1\.jpg .*has 240 x 240 pixels"):
        source[1]
    with pytest.raises(ValueError, match="240 x 240"):
        decode(picture(240, 240), channels=3, fast=True)


def test_exif_orientation_is_followed_when_asked(folder, picture):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    root = folder({"1.jpg": picture(20, 40, quality=95, exif=exif.tobytes())})
    plain, turned = (data.folder(path=root, upright=x) for x in (False, True))
    assert plain[0]["image"].shape == (20, 40, 3)
    assert turned[0]["image"].shape == (40, 20, 3)
    assert turned.fields["image"].shape == (40, 20, 3)
    wanted = np.rot90(plain[0]["image"], -1)
    np.testing.assert_allclose(turned[0]["image"].astype(int), wanted, atol=3)
    np.testing.assert_array_equal(turned.load(0, canvas=20)["box"], [0, 0, 20, 10])


def test_deep_pictures_keep_their_bits(folder, picture):
    from PIL import Image

    deep = np.linspace(0, 65535, 8 * 6).astype(np.uint16).reshape(8, 6)
    root = folder({"1.png": picture(8, 6, "png")})
    Image.fromarray(deep).save(root / "0.png")
    source = data.folder(path=root, bits=16, channels=1)
    assert source[0]["image"].dtype == np.uint16
    np.testing.assert_array_equal(source[0]["image"][..., 0], deep)
    plain = data.folder(path=root, channels=1)[1]["image"].astype(int)
    np.testing.assert_array_equal(source[1]["image"], 257 * plain)
    small = source.load(0, canvas=4)["image"]
    assert small.dtype == np.uint16
    np.testing.assert_allclose(small[:4, :3].mean(), deep.mean(), rtol=1e-3)


def test_pictures_of_many_channels_are_arrays_in_files(tmp_path):
    rng = np.random.default_rng(0)
    bands = rng.integers(0, 256, (3, 12, 8, 6), dtype=np.uint8)
    for i, image in enumerate(bands):
        np.save(tmp_path / f"{i}.npy", image)
    source = data.folder(path=tmp_path, channels=6)
    assert source.fields["image"].shape == (12, 8, 6)
    np.testing.assert_array_equal(source[1]["image"], bands[1])
    small = source.load(1, canvas=6)["image"]
    assert small.shape == (6, 6, 6)
    each = [resize(bands[1][..., i : i + 1], (6, 4)) for i in range(6)]
    np.testing.assert_array_equal(small[:, :4], np.concatenate(each, -1))
    for channels, bits in ((3, 8), (6, 16)):
        wrong = data.folder(path=tmp_path, channels=channels, bits=bits)
        with pytest.raises(
            data.BadExample, match=r"0\.npy .*it holds uint8 \[12, 8, 6"
        ):
            wrong[0]
    (tmp_path / "0.npy").write_bytes((tmp_path / "0.npy").read_bytes()[:200])
    with pytest.raises(data.BadExample, match=r"0\.npy cannot be decoded"):
        source[0]


def test_transparency_does_not_darken_a_fourth_band():
    """Four bands are four pictures: none is taken for the transparency of the rest."""
    bands = np.full((8, 8, 4), 200, np.uint8)
    bands[..., 3] = 0
    np.testing.assert_array_equal(resize(bands, (4, 4))[..., :3], 200)


def test_deep_pictures_are_the_same_on_the_device():
    import jax.numpy as jnp

    from sslax import augment

    shallow = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    deep = shallow.astype(np.uint16) * 257
    np.testing.assert_allclose(
        augment.to_float(jnp.asarray(deep)),
        augment.to_float(jnp.asarray(shallow)),
        rtol=2e-7,
    )
