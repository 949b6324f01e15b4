"""The file of a config, run; what is wrong with it is a sentence."""

from __future__ import annotations

import importlib.util
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sslax import calls
from sslax.commands import recipes

__all__ = ["config_of"]


def config_of(text: str) -> Any:
    """What `get_config()` or `get_stages()` of a file gives.

    Args:
      text: `FILE` or `FILE:VARIANT`; a config of sslax goes by its name.

    Returns:
      The config, or a mapping from stages to configs.

    Raises:
      ValueError: if the file or the variant does not exist, or the file fails; the
        message names the line.
    """
    file, _, variant = text.partition(":")
    path = recipes.config_file(file)
    if not path.is_file():
        raise ValueError(f"there is no config file {file!r}: {_near(file)}")
    module = _module(file, path)
    makers = (getattr(module, name, None) for name in ("get_stages", "get_config"))
    make = next((maker for maker in makers if maker), None)
    if make is None:
        raise ValueError(f"config file {file!r} has no function get_config()")
    return _run(file, path, lambda: _called(make, file, variant))


def _module(file: str, path: Path) -> types.ModuleType:
    # Configs import configs.common, of the folder that they lie in or of sslax.
    own, bundled = path.resolve().parent, path != Path(file)
    first = bundled or own.name == "configs"
    sys.path.insert(0 if first else len(sys.path), str(own.parent))
    if (home := recipes.folder()) is not None and not bundled:
        sys.path.append(str(home.parent))
    spec = importlib.util.spec_from_file_location(f"_config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"config file {file!r} is not a Python file")
    loader, module = spec.loader, importlib.util.module_from_spec(spec)
    try:
        _run(file, path, lambda: loader.exec_module(module))
    except (ImportError, SyntaxError) as error:
        raise ValueError(f"config file {file!r} cannot be imported: {error}") from error
    return module


def _run(file: str, path: Path, made: Callable[[], Any]) -> Any:
    """What the file makes; a fault in it is told with its line."""
    try:
        return made()
    except (ImportError, SyntaxError, ValueError):
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = str(path.resolve())
        lines = [x.lineno for x in frames if str(Path(x.filename).resolve()) == own]
        where = f" at line {lines[-1]}" if lines else ""
        raise ValueError(
            f"config file {file!r} fails{where}: {type(error).__name__}: {error}"
        ) from error


def _near(file: str) -> str:
    """The end of a message: which files or configs there are."""
    home = Path(file).parent
    if file.isidentifier() and recipes.folder() is not None:
        home = recipes.folder()
    near = [p for p in sorted(home.glob("*.py")) if "def get_" in p.read_text()]
    if not near:
        return "`sslax configs` lists those of sslax, with --dir=DIR others"
    names = [p.stem if file.isidentifier() else str(p) for p in near]
    return calls.nearest(file, names)


def _called(function: Any, file: str, variant: str) -> Any:
    if not variant:
        return function()
    try:
        return function(variant)
    except TypeError as error:
        if "positional argument" not in str(error):
            raise
        raise ValueError(
            f"config file {file!r} has no variants; got {variant!r}"
        ) from error
    except KeyError as error:
        raise ValueError(f"config file {file!r} has no variant {variant!r}") from error
