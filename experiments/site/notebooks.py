"""Notebooks as plain Python with `# %%` between cells: read, run, shown, converted."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from experiments.site.links import ROOT

FOLDER = ROOT / "docs" / "notebooks"


class Cell(NamedTuple):
    """One cell: code, or text in Markdown."""

    text: str
    is_code: bool


class Shown(NamedTuple):
    """What a cell of code showed: what it printed, and the value of its last line."""

    printed: str
    value: Any


def cells(text: str) -> list[Cell]:
    """The cells of a notebook.

    Example:
      >>> for cell in cells("# %% [markdown]\\n# # Title\\n# %%\\nx = 1\\n"):
      ...     print(cell)
      Cell(text='# Title', is_code=False)
      Cell(text='x = 1', is_code=True)
    """
    found = []
    for part in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        is_code = "[markdown]" not in head
        body = body if is_code else re.sub(r"^# ?", "", body, flags=re.MULTILINE)
        found.append(Cell(body.strip(), is_code))
    return found


def shortened(text: str, **numbers: int) -> str:
    """The notebook with other constants, given by their names, as `STEPS=2`.

    Raises:
      ValueError: if the notebook does not set one of them at the start of a line.
    """
    for name, value in numbers.items():
        text, count = re.subn(rf"^{name} = \d+", f"{name} = {value}", text, flags=re.M)
        if count != 1:
            raise ValueError(f"the notebook sets {name} {count} times, not once")
    return text


def run(text: str) -> list[Shown | None]:
    """Runs the cells in order, in one namespace, in the current folder.

    Returns:
      For each cell of code what it showed, for each text None.
    """
    names: dict[str, Any] = {"__name__": "notebook"}
    return [_run(c.text, names) if c.is_code else None for c in cells(text)]


def markdown(name: str, shown: list[Shown | None], folder: Path) -> str:
    """The page of a notebook that was run.

    Args:
      name: of the file in docs/notebooks, without its ending.
      shown: what `run` gave.
      folder: where pictures go that cells show; the page stands there too.

    Returns:
      Markdown, with links to the notebook as .py and as .ipynb.
    """
    text = (FOLDER / f"{name}.py").read_text()
    first, *others = zip(cells(text), shown, strict=True)
    title, _, intro = first[0].text.partition("\n")
    files = (f"{{download}}`{name}.{end} <{name}.{end}>`" for end in ("py", "ipynb"))
    parts = [title, f"Made of {', as '.join(files)}.", intro]
    for number, (cell, result) in enumerate(others):
        if result is None:
            parts.append(cell.text)
            continue
        parts.append(f"```python\n{cell.text}\n```")
        if result.printed.strip():
            parts.append(f"```text\n{result.printed.rstrip()}\n```")
        if hasattr(result.value, "save"):
            file = f"{name}_{number}.png"
            result.value.save(folder / file)
            parts.append(f"![what the cell shows]({file})")
        elif result.value is not None:
            parts.append(f"```text\n{result.value!r}\n```")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def jupyter(text: str) -> str:
    """The notebook in Jupyter's format, without outputs."""
    made = []
    for number, cell in enumerate(cells(text)):
        kind = "code" if cell.is_code else "markdown"
        source = cell.text.splitlines(keepends=True)
        entry = {"cell_type": kind, "id": f"cell{number}", "metadata": {}}
        entry |= {"source": source}
        entry |= {"execution_count": None, "outputs": []} if cell.is_code else {}
        made.append(entry)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": made, "metadata": {"kernelspec": kernel}}
    return json.dumps({**whole, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def _run(code: str, names: dict[str, Any]) -> Shown:
    tree, value = ast.parse(code), None
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "notebook", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "notebook", "eval"), names)
    return Shown(printed.getvalue(), value)
