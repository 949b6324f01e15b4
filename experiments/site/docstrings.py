"""What stands in a Google docstring, and in the docstring of a config, as Markdown."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

_HEADING = re.compile(
    r"^(Args|Attributes|Returns|Yields|Raises|Note|Example|References):\n",
    re.MULTILINE,
)
# As draw_losses_table has it: `loss = ...`, `x' <- ...`, or a list of such.
_FORMULA = re.compile(r"[a-z][\w']* ?(<-|=) ")
_ENTRY = re.compile(r"^(\*{0,2}\w[\w, ]*): ", re.MULTILINE)


def sections(function: Callable) -> dict[str, str]:
    """The text of a docstring by heading; what stands before the first is "".

    Example:
      >>> from sslax import losses
      >>> list(sections(losses.unit))
      ['', 'Args', 'Returns', 'Example', 'References']
    """
    first, *others = _HEADING.split(inspect.getdoc(function) or "")
    found = zip(others[::2], others[1::2], strict=True)
    return {"": first.strip()} | {
        name: textwrap.dedent(text).strip() for name, text in found
    }


def summary(function: Callable) -> str:
    """The first line of a docstring."""
    return sections(function)[""].partition("\n")[0]


def body(function: Callable) -> str:
    """What follows the first line, as Markdown: formulas become blocks of code."""
    paragraphs = sections(function)[""].split("\n\n")[1:]
    return "\n\n".join(
        f"```text\n{text}\n```" if _FORMULA.match(text) else text for text in paragraphs
    )


def entries(text: str) -> str:
    """The lines `name: meaning` of Args as a list.

    Example:
      >>> print(entries("z: what\\n  it is\\nt: another"))
      - `z`: what
        it is
      - `t`: another
    """
    parts = _ENTRY.split(text)[1:]
    lines = (
        f"- `{name}`: " + textwrap.indent(told.strip(), "  ").lstrip()
        for name, told in zip(parts[::2], parts[1::2], strict=True)
    )
    return re.sub(r"\n +", "\n  ", "\n".join(lines))


def variants(module: Any) -> str:
    """The variants of a config as a list: each name with what is said of it."""
    text = _variants_of(module)
    items, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        follows = re.match(r"[,;.]?\s+`", text[place:])
        if depth == 0 and follows and text[start:place].rstrip().endswith(")"):
            items.append(text[start:place])
            start = place + follows.end() - 1
    items.append(text[start:].rstrip("."))
    return "\n".join(f"- {' '.join(item.split())}" for item in items if item.strip())


def remarks(module: Any) -> str:
    """What else the docstring of a config says, without title and variants."""
    paragraphs = (inspect.getdoc(module) or "").split("\n\n")[1:]
    own = [p for p in paragraphs if not p.startswith("Variants:")]
    return "\n\n".join(_shown(p) for p in own)


def _variants_of(module: Any) -> str:
    return (module.__doc__ or "").partition("Variants:")[2].partition("\n\n")[0].strip()


def _shown(paragraph: str) -> str:
    """A paragraph, or the block of commands that it is."""
    if not paragraph.startswith("    "):
        return paragraph
    return f"```sh\n{textwrap.dedent(paragraph)}\n```"
