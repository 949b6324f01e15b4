"""The command `sslax configs`."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

__all__ = ["run"]

_MAKERS = ("get_config", "get_stages")


def run(options: Any) -> None:
    """Lists the configs of a folder, each with its first line and its variants.

    Args:
      options: of the command line.

    Raises:
      ValueError: if there are none.
    """
    folder, found = Path(options.dir), 0
    for file in sorted(folder.glob("*.py")):
        tree = ast.parse(file.read_text())
        makers = [x for x in tree.body if getattr(x, "name", None) in _MAKERS]
        if not makers:
            continue
        found += 1
        print(f"{file}  {(ast.get_docstring(tree) or '').partition(chr(10))[0]}")
        if variants := _variants(makers[0]):
            print(f"    :{', :'.join(variants)}")
    if not found:
        raise ValueError(f"no configs in {str(folder)!r}; give their folder with --dir")


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
