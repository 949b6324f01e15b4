"""The command `sslax configs`."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from typing import Any

from sslax.commands import recipes

__all__ = ["run"]

_MAKERS = ("get_config", "get_stages")


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
    home, found = recipes.folder(), 0
    folder = Path(options.dir) if options.dir else home
    for file in sorted(folder.glob("*.py")) if folder else ():
        tree = ast.parse(file.read_text())
        makers = [x for x in tree.body if getattr(x, "name", None) in _MAKERS]
        if not makers:
            continue
        found += 1
        name = file if options.dir else file.stem
        print(f"{name}  {(ast.get_docstring(tree) or '').partition(chr(10))[0]}")
        if variants := _variants(makers[0]):
            print(f"    :{', :'.join(variants)}")
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


def _variants(maker: ast.AST) -> list[str]:
    """The keys among which `pick(variant, choices)` picks; the file is not run."""
    dicts = {
        target.id: node.value
        for node in ast.walk(maker)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(maker):
        if isinstance(node, ast.Call) and _is_pick(node):
            choices = node.args[1]
            if isinstance(choices, ast.Name):
                choices = dicts.get(choices.id)
            keys = choices.keys if isinstance(choices, ast.Dict) else []
            return [key.value for key in keys if isinstance(key, ast.Constant)]
    return []


def _is_pick(node: ast.Call) -> bool:
    name = getattr(node.func, "attr", getattr(node.func, "id", None))
    return name == "pick" and len(node.args) == 2
