"""Images of many bands and of 16 bits are read as they are stored, or refused."""

import sys

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from sslax import data

CONTIG = dict(planarconfig="contig", photometric="minisblack")


def bands(count, dtype=np.uint16, side=(12, 8)):
    rng = np.random.default_rng(count)
    return rng.integers(0, np.iinfo(dtype).max, (*side, count), dtype)


@pytest.mark.parametrize(
    "options",
    [
        CONTIG,
        dict(planarconfig="separate", photometric="minisblack"),
        dict(**CONTIG, compression="lzw"),
        dict(**CONTIG, bigtiff=True),
        dict(pages=True, photometric="minisblack"),
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_bands_of_tiffs_are_those_of_the_file(tmp_path, options):
    image = bands(6)
    options = dict(options)
    pages = options.pop("pages", False)
    first = pages or options["planarconfig"] == "separate"
    stored = np.moveaxis(image, -1, 0) if first else image
    for name in ("a.tif", "b.TIFF"):
        tifffile.imwrite(tmp_path / name, stored, **options)
    source = data.folder(path=tmp_path, channels=6, bits=16)
    assert source.fields["image"].shape == (12, 8, 6)
    assert source[1]["image"].dtype == np.uint16
    np.testing.assert_array_equal(source[1]["image"], image)
    assert source.load(0, canvas=6)["image"].shape == (6, 6, 6)
    # Of several pages grey or colours are the first, as of any such file.
    for channels, bits in ((6, 8), (5, 16), *([] if pages else [(3, 8)])):
        wrong = data.folder(path=tmp_path, channels=channels, bits=bits)
        with pytest.raises(
            data.BadExample, match=r"uint16 \[12, 8, 6\]; expected uint"
        ):
            wrong[0]


@pytest.mark.parametrize("extra", ["unspecified", "assocalpha", "unassalpha"])
def test_a_fourth_band_is_no_transparency(tmp_path, extra):
    """Pillow would leave it out, or divide the others by it."""
    image = bands(4, np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=[extra])
    source = data.folder(path=tmp_path, channels=4)
    np.testing.assert_array_equal(source[0]["image"], image)


@pytest.mark.parametrize("kind", ["tif", "png"])
def test_colours_keep_their_16_bits(tmp_path, kind):
    image = bands(3)
    if kind == "tif":
        tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb")
    else:
        (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image))
    source = data.folder(path=tmp_path, bits=16)
    np.testing.assert_array_equal(source[0]["image"], image)
    grey = data.folder(path=tmp_path, bits=16, channels=1)[0]["image"]
    wanted = image @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(grey[..., 0], wanted, atol=1)
    shallow = data.folder(path=tmp_path)[0]["image"]
    np.testing.assert_allclose(shallow, image // 256, atol=1)


def test_transparency_in_16_bits_is_left_out_or_kept(tmp_path):
    image = bands(4)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image))
    for channels in (3, 4):
        source = data.folder(path=tmp_path, bits=16, channels=channels)
        np.testing.assert_array_equal(source[0]["image"], image[..., :channels])


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow
def test_broken_ones_are_told(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", bands(6), **CONTIG)
    whole = (tmp_path / "a.tif").read_bytes()
    png = imagecodecs.png_encode(bands(3, side=(64, 64)))
    tifffile.imwrite(tmp_path / "b.tif", bands(6), **CONTIG, compression="lzw")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        (start,), (count,) = file.pages[0].dataoffsets, file.pages[0].databytecounts
    packed = bytearray((tmp_path / "b.tif").read_bytes())
    packed[start : start + count] = b"\xff" * count
    for name, content, channels in (
        ("a.tif", whole[:150], 6),
        ("a.tif", whole[:-400], 6),
        ("a.tif", whole[:8], 6),
        ("b.tif", bytes(packed), 6),
        ("a.png", png[: len(png) // 2], 3),
    ):
        (tmp_path / name).write_bytes(content)
        source = data.files(paths=[tmp_path / name], channels=channels, bits=16)
        with pytest.raises(data.BadExample, match=rf"{name} cannot be decoded"):
            source[0]
    stack = bands(4).transpose(2, 0, 1)[:, None].repeat(2, axis=1)  # 4 x 2 pages
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True)
    source = data.files(paths=[tmp_path / "a.tif"], channels=4, bits=16)
    with pytest.raises(data.BadExample, match=r"the axes .* not rows, columns"):
        source[0]


def test_what_reads_them_is_named(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", bands(6), **CONTIG)
    (tmp_path / "b.png").write_bytes(imagecodecs.png_encode(bands(3)))
    grey = bands(1)[..., 0]
    Image.fromarray(grey).save(tmp_path / "c.tif")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(ImportError, match=r"pip install 'sslax\[tiff\]'"):
        data.files(paths=[tmp_path / "a.tif"], channels=6, bits=16)
    with pytest.raises(ImportError, match=r"imagecodecs: pip install 'sslax\[tiff\]'"):
        data.files(paths=[tmp_path / "b.png"], bits=16)[0]
    # Grey in 16 bits is Pillow's, as all of 8 bits is.
    source = data.files(paths=[tmp_path / "c.tif"], channels=1, bits=16)
    np.testing.assert_array_equal(source[0]["image"][..., 0], grey)
