"""Images that Pillow does not read whole: TIFFs of many bands, colours in 16 bits."""

from __future__ import annotations

import io
import math
from types import ModuleType

import numpy as np

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How a TIFF begins, in either order of bytes, small or big."""

_EXTRA = "pip install 'sslax[tiff]'"
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601, as Pillow has it


def tiff_size(file: str) -> tuple[int, int]:
    """Height and width of a TIFF, from its first bytes.

    Raises:
      ValueError: if it is none.
      ImportError: if tifffile is not installed.
    """
    with _tifffile().TiffFile(file) as opened:
        page = opened.pages[0]
        return page.imagelength, page.imagewidth


def read_tiff(content: bytes, most: int) -> np.ndarray:
    """All bands of the first image of a TIFF: its samples, or pages of one size.

    Args:
      content: the bytes of the file.
      most: the largest number of pixels to decode.

    Returns:
      [h w c], in the type that is stored.

    Raises:
      ValueError: if it is no complete TIFF, of too many pixels, or no image of bands.
      ImportError: if tifffile is not installed.
    """
    library = _tifffile()
    try:
        with library.TiffFile(io.BytesIO(content)) as opened:
            series = opened.series[0]
            axes, shape = series.axes, series.shape
            wanted = set("YX") <= set(axes) and len(axes) <= 3
            pixels = math.prod(n for a, n in zip(axes, shape, strict=True) if a in "YX")
            array = series.asarray() if wanted and pixels <= most else None
    except MemoryError:
        raise
    except Exception as error:  # of its own, of codecs, of Python, as damage has it
        raise ValueError(f"it is no TIFF that can be read: {error}") from error
    if not wanted:
        raise ValueError(f"it has the axes {axes} of {list(shape)}, not rows, columns")
    if array is None:
        raise ValueError(f"it has {pixels:,} pixels, more than {most:,}; cut it up")
    if len(axes) == 2:
        return array[..., None] if axes == "YX" else array.T[..., None]
    return np.transpose(array, [axes.index(a) for a in "YX"] + [_third(axes)])


def _third(axes: str) -> int:
    return next(i for i, axis in enumerate(axes) if axis not in "YX")


def read_deep_png(content: bytes) -> np.ndarray:
    """A PNG with all of its bits, [h w c].

    Raises:
      ValueError: if it is damaged.
      ImportError: if imagecodecs is not installed.
    """
    try:
        import imagecodecs
    except ImportError as error:
        raise ImportError(
            f"colours in 16 bits are read by imagecodecs: {_EXTRA}"
        ) from error
    try:
        array = imagecodecs.png_decode(content)
    except imagecodecs.PngError as error:
        raise ValueError(f"it is no whole PNG: {error}") from error
    return array[..., None] if array.ndim == 2 else array


def coloured(image: np.ndarray, channels: int) -> np.ndarray:
    """A deep image [h w c] as grey or as RGB, without its transparency."""
    colours = image[..., : 1 if image.shape[-1] < 3 else 3]
    if channels == colours.shape[-1]:
        return colours
    if channels == 3:
        return np.repeat(colours, 3, axis=-1)
    return np.rint(colours @ _LUMA)[..., None].astype(image.dtype)


def _tifffile() -> ModuleType:
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(
            f"TIFFs of several bands, or of colours in 16 bits, are read by tifffile: "
            f"{_EXTRA}"
        ) from error
    return tifffile
