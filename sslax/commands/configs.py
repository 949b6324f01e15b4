"""The command `sslax configs`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sslax.commands import recipes
from sslax.commands.config_list import listed

__all__ = ["run"]


def run(options: Any) -> None:
    """Lists configs, shows the fields of one with their meaning, or copies all.

    Args:
      options: of the command line.

    Raises:
      ValueError: if there are none, the one that is asked for does not exist, or the
        folder to copy to has files already.
    """
    if options.copy:
        _copy(Path(options.copy), options)
        return
    if options.config:
        _show(options.config)
        return
    home, found = recipes.folder(), False
    folder = Path(options.dir) if options.dir else home
    files = sorted(folder.glob("*.py")) if folder else ()
    for line in listed({str(f) if options.dir else f.stem: f for f in files}):
        found = True
        print(line)
    if not found:
        place = repr(options.dir) if options.dir else "this installation"
        raise ValueError(f"no configs in {place}; give their folder with --dir")


def _copy(folder: Path, options: Any) -> None:
    """All of them: they import each other, as `configs`."""
    if options.config or options.dir:
        asked = options.config or f"--dir={options.dir}"
        raise ValueError(f"--copy copies all configs of sslax; got {asked} beside it")
    if (home := recipes.folder()) is None:
        raise ValueError("this installation has no configs")
    target = folder if folder.name == "configs" else folder / "configs"
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(
            f"{str(target)!r} is there already, and nothing is overwritten"
        )
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(home, target, ignore=ignored, dirs_exist_ok=True)
    print(f"copied to {target}; for example")
    print(f"  sslax pretrain --config={target / 'simclr.py'}:sample --workdir=run")


def _show(text: str) -> None:
    from sslax.commands.fields import fields_of
    from sslax.commands.overrides import load_config
    from sslax.commands.staged import is_staged

    config = load_config(text)
    stages = config if is_staged(config) else {"": config}
    width = shutil.get_terminal_size().columns
    for stage, one in stages.items():
        for path, value, meaning in fields_of(one):
            line = f"{stage}.{path}" if stage else path
            line = f"{line} = {value!r}"
            if meaning:
                line = f"{line:<48}  # {meaning}"
            print(line if len(line) <= width else f"{line[: width - 3]}...")
