"""The command `sslax configs`."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

__all__ = ["run"]


def run(options: Any) -> None:
    """Lists the configs of a folder, each with its first line.

    Args:
      options: of the command line.

    Raises:
      ValueError: if there are none.
    """
    folder = Path(options.dir)
    found = [
        (file, ast.parse(file.read_text())) for file in sorted(folder.glob("*.py"))
    ]
    makers = {"get_config", "get_stages"}
    lines = [
        f"{file}  {(ast.get_docstring(tree) or '').split(chr(10))[0]}"
        for file, tree in found
        if makers & {getattr(node, "name", "") for node in tree.body}
    ]
    if not lines:
        raise ValueError(f"no configs in {str(folder)!r}; give their folder with --dir")
    print("\n".join(lines))
