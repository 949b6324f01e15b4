"""Single image files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sslax.data._folder import check_pixels, file_source, measured
from sslax.data._sources import Source


def files(
    *,
    paths: Sequence[str | os.PathLike],
    channels: int = 3,
    bits: int = 8,
    upright: bool = False,
) -> Source:
    """Opens some image files.

    Args:
      paths: the files.
      channels: of the result, see `folder`.
      bits: 8 or 16 for each channel.
      upright: turn images as their EXIF orientation says.

    Returns:
      The source, in this order.

    Raises:
      ValueError: if there are none, or one is not there.

    Example:
      >>> from sslax import data
      >>> data.files(paths=["/no/such.jpg"])
      Traceback (most recent call last):
      ValueError: there is no file '/no/such.jpg'
    """
    check_pixels(channels, bits)
    found = [Path(path).expanduser().absolute() for path in paths]
    if not found:
        raise ValueError("give one or more image files")
    for path, given in zip(found, paths, strict=True):
        if not path.is_file():
            raise ValueError(f"there is no file {str(given)!r}")
    image = measured(found, channels, bits, upright)
    names = [str(path) for path in found]
    return file_source(Path("/"), names, {"image": image}, labels=None, name="files")
