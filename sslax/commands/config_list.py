"""The list of configs: variants, what they train on, and what their files say."""

from __future__ import annotations

import ast
import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sslax.commands.overrides import load_config
from sslax.commands.staged import is_staged

__all__ = ["listed"]

_MAKERS = ("get_config", "get_stages")
_NAMES = re.compile(r"`\w+`(?:,? (?:and )?`\w+`)* \(")


def listed(files: Mapping[str, Path]) -> Iterator[str]:
    """The lines of the list.

    Args:
      files: of configs, by the names that they go by; others among them are left out.

    Yields:
      The first line of a file's docstring, and for each variant its data, its batch
      and what the docstring says of it.
    """
    unprepared = set()
    for name, file in files.items():
        tree = ast.parse(file.read_text())
        makers = [x for x in tree.body if getattr(x, "name", None) in _MAKERS]
        if not makers:
            continue
        text = ast.get_docstring(tree) or ""
        yield f"{name}  {text.partition(chr(10))[0]}"
        said = _said(text)
        for variant in _variants(makers[0]) or [""]:
            asked = f"{file}:{variant}" if variant else str(file)
            data, sets = _data(asked)
            unprepared |= sets
            start = f"    {variant and ':' + variant:<14}  "
            yield from _wrapped(data, start)
            yield from _wrapped(said.get(variant, ""), " " * len(start))
    if unprepared:
        yield f"* prepared once by `sslax prepare SET`: {', '.join(sorted(unprepared))}"


def _wrapped(text: str, start: str) -> list[str]:
    width = shutil.get_terminal_size().columns
    indent = " " * len(start)
    around = {"initial_indent": start, "subsequent_indent": indent}
    return textwrap.wrap(text, width, break_on_hyphens=False, **around)


def _data(text: str) -> tuple[str, set[str]]:
    """What a variant trains on and its batch, and the sets of TFDS among it."""
    try:
        config = load_config(text)
    except ValueError as error:  # one of somebody's own, which others beside it are not
        return f"cannot be read: {error}", set()
    shown, sets = [], set()
    for stage, one in (config if is_staged(config) else {"": config}).items():
        line, own = _of_run(one)
        shown.append(f"{stage}: {line}" if stage else line)
        sets |= own
    return "; ".join(shown), sets


def _of_run(config: Mapping[str, Any]) -> tuple[str, set[str]]:
    source, batch = config.get("data", {}).get("train"), config.get("batch_size")
    sets = set(_prepared(source)) if source else set()
    line = _short(source) + "*" * bool(sets) if source else "names no data"
    return f"{line}, batch {batch:,}" if isinstance(batch, int) else line, sets


def _short(source: Any) -> str:
    """The short form of data, or the names of the calls that give them."""
    if isinstance(source, str):
        return source
    inner = [_short(value) for value in source.values() if isinstance(value, Mapping)]
    name = source["set"] if source["name"] == "tfds" else source["name"]
    return f"{name}({', '.join(inner)})" if inner else name


def _prepared(source: Any) -> Iterator[str]:
    """The sets of TFDS that data are made of."""
    if isinstance(source, str):
        from sslax.data import parse

        source = parse(source)
    if source["name"] == "tfds":
        yield source["set"]
    for value in source.values():
        if isinstance(value, Mapping):
            yield from _prepared(value)


def _said(text: str) -> dict[str, str]:
    """What a docstring says of a variant in brackets; of several, at the first."""
    _, _, rest = text.partition("Variants:")
    rest, found = " ".join(rest.split("\n\n")[0].split()), {}
    at = 0
    while match := _NAMES.search(rest, at):
        at = end = match.end()
        depth = 1
        while depth and end < len(rest):
            depth += {"(": 1, ")": -1}.get(rest[end], 0)
            end += 1
        names = re.findall(r"`(\w+)`", match[0])
        shared = f"{', '.join(names)}: " if len(names) > 1 else ""
        found[names[0]] = shared + rest[at : end - 1]
        at = end
    return found


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
