"""Writes docs/losses.md from the docstrings of `sslax.losses`.

    python -m experiments.draw_losses_table

One table: what each function computes, its formula, its source, and its relatives: the
other public losses that its docstring names in backticks, that name it so, or that are
of the same paper.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import NamedTuple

from sslax import losses

PAGE = Path(__file__).parent.parent / "docs" / "losses.md"
# Papers whose sections have little to do with one another: CPC, InstDisc, MoCo.
SHARED = {"1807.03748", "1805.01978", "1911.05722"}

HEAD = """# Losses

Every function of `sslax.losses`, from its docstring: `python -m
experiments.draw_losses_table` writes this page. Relatives are what a docstring names
(what it differs from, is a case of, or is built of) and what is of the same paper.

| function | what it is | formula | source | relatives |
|---|---|---|---|---|
"""


class Row(NamedTuple):
    """What the page says of one function."""

    name: str
    line: str
    formula: str
    source: str
    relatives: tuple[str, ...]


def row(name: str) -> Row:
    """Reads the docstring of a public loss."""
    text = inspect.getdoc(getattr(losses, name)) or ""
    body = text.split("Args:")[0]
    paragraphs = [" ".join(p.split()) for p in body.split("\n\n")[1:]]
    formulas = [p for p in paragraphs if re.match(r"[a-z][\w']* ?(<-|=) ", p)]
    return Row(
        name=name,
        line=text.splitlines()[0] if text else "",
        formula=formulas[0] if formulas else "",
        source=source(text),
        relatives=relatives(name),
    )


def mentioned(name: str) -> set[str]:
    """The other public losses that a docstring names in backticks."""
    text = inspect.getdoc(getattr(losses, name)) or ""
    words = set(re.findall(r"`(\w+)`", text.split("References:")[0]))
    return words & set(losses.__all__) - {name, "unit"}


def papers(name: str) -> set[str]:
    """The arXiv numbers of the references of a docstring."""
    text = inspect.getdoc(getattr(losses, name)) or ""
    return set(re.findall(r"arXiv:([\d.]+\d)", text.partition("References:")[2]))


def relatives(name: str) -> tuple[str, ...]:
    """What the docstring names, what names it, and what is of the same paper."""
    return tuple(
        other
        for other in losses.__all__
        if other != name
        and (
            other in mentioned(name)
            or name in mentioned(other)
            or papers(name) & papers(other) - SHARED
        )
    )


def source(text: str) -> str:
    """Authors, year and the place in the paper, of each reference of a docstring."""
    entries = " ".join(text.partition("References:")[2].split())
    entry = r'(?:^|\. )([^"]+?), "[^"]+", (\d{4})(?:, (.+?))?(?=\. [^"]+?, "|\.?$)'
    found = re.findall(entry, entries)
    return "; ".join(", ".join(filter(None, parts)) for parts in found)


def page() -> str:
    """The whole page, as text."""
    lines = []
    for name in losses.__all__:
        cells = row(name)
        formula = cells.formula.replace("|", "\\|")
        formula = f"`{formula}`" if formula else ""
        related = ", ".join(f"`{other}`" for other in cells.relatives)
        line = cells.line.replace("|", "\\|")
        lines.append(f"| `{name}` | {line} | {formula} | {cells.source} | {related} |")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
    print(PAGE)
