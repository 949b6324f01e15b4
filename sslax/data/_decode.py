"""Images from bytes, and their place on a square canvas."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sslax.data._bands import TIFF, coloured, read_deep_png, read_tiff, tiff_size

BAD_IMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What the decoders raise at a file that is no complete image."""

MAX_PIXELS = 2**26
"""The largest picture that is decoded whole, 8192 by 8192: about 700 MB on the way."""

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_JPEG = b"\xff\xd8\xff"
_NPY = b"\x93NUMPY"
_ORIENTATION = 0x0112


@cache
def opencv() -> ModuleType:
    """OpenCV.

    Raises:
      ValueError: if it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise ValueError(
            "resize='opencv' needs OpenCV: pip install 'sslax[fast-resize]', or take"
            " resize='pillow'"
        ) from error
    return cv2


@cache
def simplejpeg() -> ModuleType | None:
    """The fast JPEG decoder, or None where it is not installed."""
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg


def fitted(height: int, width: int, canvas: int | None) -> tuple[int, int]:
    """Height and width once the longer side is at most `canvas`; never larger."""
    longer = max(height, width)
    if canvas is None or longer <= canvas:
        return height, width
    scale = canvas / longer
    return max(1, round(height * scale)), max(1, round(width * scale))


def decode(
    content: bytes,
    *,
    channels: int,
    canvas: int | None = None,
    dtype: str = "uint8",
    upright: bool = False,
    fast: bool = True,
    by: str = "pillow",
) -> np.ndarray:
    """Decodes an image file to [h w c], its longer side at most `canvas`.

    JPEGs that are much larger than the canvas are scaled while they are decoded, which
    costs a fraction; the rest of the way is an antialiased resize with Hamming's
    window, about as sharp as the bicubic one when shrinking, in half the time.

    Args:
      content: the bytes of an image file of any format that Pillow reads, or of an
        array [h w] or [h w c] in a .npy file.
      channels: of the result: 1 (grey) or 3 (RGB), whatever the file has; 2 (grey,
        alpha) and 4 (RGBA) too, but of a TIFF these and all others are its bands, as
        they are those of a .npy file.
      canvas: the longest side allowed, in pixels; None keeps the size.
      dtype: "uint8" or "uint16"; bytes of 8 bits fill the range of 16.
      upright: turn the image as its EXIF orientation says.
      fast: decode JPEGs by simplejpeg where it is installed.
      by: what resizes, see `resize`.

    Returns:
      The pixels, in `dtype`.

    Raises:
      One of `BAD_IMAGE`: if the content is no complete image, or one of more than
        `MAX_PIXELS` that cannot be scaled while it is decoded.
    """
    image = None
    if content[: len(_NPY)] == _NPY:
        image = _fits(np.load(io.BytesIO(content), allow_pickle=False), channels, dtype)
    elif content[:4] in TIFF and channels not in (1, 3):
        image = _fits(read_tiff(content, MAX_PIXELS), channels, dtype)
    elif fast and content[:3] == _JPEG and simplejpeg() is not None:
        plain = dtype == "uint8" and channels in (1, 3) and not upright
        image = _decode_fast(content, channels, canvas) if plain else None
    if image is None:
        image = _decode_pillow(content, channels, canvas, dtype, upright)
    return resize(image, fitted(*image.shape[:2], canvas), by=by)


def size_of(file: Path | io.BytesIO, *, upright: bool = False) -> tuple[int, int]:
    """Height and width of an image file, from its first bytes.

    Raises:
      One of `BAD_IMAGE`: if it is none.
    """
    suffix = file.suffix.lower() if isinstance(file, Path) else ""
    if suffix == ".npy":
        height, width = np.load(file, mmap_mode="r", allow_pickle=False).shape[:2]
        return height, width
    try:
        with Image.open(file) as image:
            width, height = image.size
            exif = image.getexif() if upright else {}
    except UnidentifiedImageError:
        if suffix not in (".tif", ".tiff"):
            raise
        return tiff_size(str(file))
    turned = exif.get(_ORIENTATION, 1) >= 5  # by a quarter
    return (width, height) if turned else (height, width)


def _fits(array: np.ndarray, channels: int, dtype: str) -> np.ndarray:
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[-1] != channels or array.dtype != dtype:
        raise ValueError(
            f"it holds {array.dtype} {list(array.shape)}; expected {dtype}"
            f" [h w {channels}], as channels= and bits= say"
        )
    return array


def _decode_fast(content: bytes, channels: int, canvas: int | None):
    """The JPEG by simplejpeg, or None when it is not one that it reads well."""
    decoder = simplejpeg()
    try:
        height, width, space, _ = decoder.decode_jpeg_header(content)
        large = canvas is None and height * width > MAX_PIXELS
        if large or space not in ("YCbCr", "Gray", "RGB"):
            return None
        least = fitted(height, width, canvas)
        return decoder.decode_jpeg(
            content,
            colorspace="GRAY" if channels == 1 else "RGB",
            fastdct=False,  # 5 % slower, and the same pixels as by Pillow
            fastupsample=False,
            min_height=least[0],
            min_width=least[1],
            min_factor=2,  # smaller ones cost more than the full image
        )
    except ValueError:  # it is stricter than Pillow, which has the last word
        return None


def _decode_pillow(
    content: bytes, channels: int, canvas: int | None, dtype: str, upright: bool
) -> np.ndarray:
    if channels not in _MODES:
        raise ValueError(f"only a .npy file or a TIFF can have {channels} channels")
    try:
        opened = Image.open(io.BytesIO(content))
    except UnidentifiedImageError as error:
        if content[:4] not in TIFF:  # Pillow would name an object in memory
            what = "of no known format" if content else "empty"
            raise UnidentifiedImageError(f"it is {what}") from error
        return _fits(read_tiff(content, MAX_PIXELS), channels, dtype)
    with opened as image:
        if image.format == "JPEG" and canvas is not None:
            height, width = fitted(image.height, image.width, canvas)
            image.draft(_MODES[channels], (width, height))
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(
                f"it has {image.width} x {image.height} pixels, more than the"
                f" {MAX_PIXELS:,} that are decoded whole; shrink it or cut it up"
            )
        if dtype == "uint16" and _is_cut(image):
            return _deep(content, channels)
        image.load()
        turned = ImageOps.exif_transpose(image) if upright else image
    return _pixels(turned, channels, dtype)


def _is_cut(image: Image.Image) -> bool:
    """Whether Pillow keeps 8 of 16 bits, as it does of colours."""
    return ";16" in str(image.tile) and not image.mode.startswith("I;16")


def _deep(content: bytes, channels: int) -> np.ndarray:
    if content[:4] in TIFF:
        image = read_tiff(content, MAX_PIXELS)
    else:
        image = read_deep_png(content)
    if channels not in (1, 3):
        return _fits(image, channels, "uint16")
    return coloured(image, channels)


def _pixels(image: Image.Image, channels: int, dtype: str) -> np.ndarray:
    """The pixels of a loaded image with these channels, in 8 or 16 bits."""
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no known range")
    if image.mode.startswith("I;16"):
        deep = np.asarray(image)[..., None]
        grey = deep.astype(np.uint16) if dtype == "uint16" else deep >> 8
        return np.repeat(grey, channels, axis=-1).astype(dtype)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    pixels = np.asarray(image.convert(_MODES[channels]))
    pixels = pixels[..., None] if channels == 1 else pixels
    return pixels if dtype == "uint8" else pixels.astype(np.uint16) * 257


def resize(
    image: np.ndarray,
    size: tuple[int, int],
    *,
    nearest: bool = False,
    by: str = "pillow",
) -> np.ndarray:
    """Resizes [h w c] to (height, width), antialiased unless `nearest`.

    Args:
      image: in 8 or 16 bits.
      size: not larger than the image.
      nearest: take a pixel for each, of masks.
      by: "pillow", the reference, or "opencv".
    """
    if image.shape[:2] == tuple(size):
        return image
    if by == "opencv" and not nearest:
        return _resize_opencv(image, size)
    method = Image.Resampling.NEAREST if nearest else Image.Resampling.HAMMING
    if image.shape[-1] == 3 and image.dtype == np.uint8:
        return np.asarray(Image.fromarray(image).resize((size[1], size[0]), method))
    # Plane by plane: of four channels Pillow would take the last for transparency.
    exact = image.dtype == np.uint8
    planes = []
    for plane in np.moveaxis(image, -1, 0):
        pixels = Image.fromarray(plane if exact else plane.astype(np.float32))
        resized = np.asarray(pixels.resize((size[1], size[0]), method))
        planes.append(resized if exact else np.rint(resized).astype(image.dtype))
    return np.stack(planes, axis=-1)


def _resize_opencv(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Means over areas; where a pixel is of at most 1.5, lines between two neighbours.

    Those see all pixels there, about as sharp as Hamming's window, and cost least.
    """
    cv2 = opencv()
    near = image.shape[0] <= 1.5 * size[0] and image.shape[1] <= 1.5 * size[1]
    method = cv2.INTER_LINEAR if near else cv2.INTER_AREA
    resized = cv2.resize(image, (size[1], size[0]), interpolation=method)
    return resized.reshape(*size, image.shape[-1])  # it drops the axis of one channel


def place(image: np.ndarray, canvas: int) -> tuple[np.ndarray, np.ndarray]:
    """Puts an image at the top left of a black square.

    Args:
      image: [h w c], each side at most `canvas`.
      canvas: the side of the square, in pixels.

    Returns:
      The canvas, [canvas canvas c], and the box of valid pixels, float32 [4]: top,
      left, height, width.
    """
    height, width, channels = image.shape
    square = np.zeros((canvas, canvas, channels), image.dtype)
    square[:height, :width] = image
    return square, np.array([0, 0, height, width], np.float32)
