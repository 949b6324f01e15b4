"""Where the configs of sslax are: beside the source, or where a wheel has put them."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

__all__ = ["config_file", "folder"]

_MARK = "configs/simclr.py"


def folder() -> Path | None:
    """The folder `configs` of sslax.

    Returns:
      The one of the source tree that sslax runs from, else the one that was installed
      with it; None where there is neither.
    """
    tree = Path(__file__).parent.parent.parent
    if (tree / "pyproject.toml").is_file() and (tree / _MARK).is_file():
        return tree / "configs"
    try:
        files = importlib.metadata.files("sslax") or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (file for file in files if str(file).endswith(_MARK))
    return next((Path(str(file.locate())).resolve().parent for file in found), None)


def config_file(text: str) -> Path:
    """The file that a config is asked for by.

    Args:
      text: a path, or the name of a config of sslax, such as `simclr`.

    Returns:
      The path; that of the text itself if there is no such config.
    """
    path, home = Path(text), folder()
    if path.is_file() or home is None or not text.isidentifier():
        return path
    named = home / f"{text}.py"
    return named if named.is_file() else path
