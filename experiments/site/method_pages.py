"""A page for every config: drawn from docstrings, configs, references and results."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from experiments import draw_losses_table, draw_methods_table, learning_table
from experiments.site import docstrings, released
from experiments.site.links import ROOT
from sslax import losses, methods
from sslax.commands.fields import fields_of
from sslax.commands.overrides import load_config
from sslax.commands.staged import is_staged

RESULTS = ROOT / "experiments" / "results" / "learning.json"
CROSS_ENTROPY = "loss = mean_i -log softmax(logits_i)_{y_i}"


def page(name: str, picture: str = "") -> str:
    """The page of a config.

    Args:
      name: of the config, as `simclr`.
      picture: Markdown that shows the views.

    Returns:
      Markdown, as if it were the file `docs/methods/NAME.md`.
    """
    module = importlib.import_module(f"configs.{name}")
    factories = [getattr(methods, m) for m in draw_methods_table.built(module)]
    title, _, paper = module.__doc__.splitlines()[0].rstrip(".").partition(". ")
    parts = {
        "Views": picture,
        "How it works": "\n\n".join(_told(f, len(factories) > 1) for f in factories),
        "Formula": formulas(factories),
        "In Python": "\n\n".join(_python(f) for f in factories),
        "Code": "\n\n".join(_code(f) for f in factories),
        "Config": _config(name, module),
        "Published and measured": f"{_published(module)}\n\n{measured(name)}",
        "Pitfalls": _pitfalls(factories),
        "Beside the released code": released.steps(name),
    }
    lines = [f"# {title}", paper and _linked(f"{paper}.")]
    lines += [docstrings.summary(f) for f in factories]
    lines += [f"## {heading}\n\n{text}" for heading, text in parts.items() if text]
    return "\n\n".join(line for line in lines if line) + "\n"


def formulas(factories: list[Callable]) -> str:
    """The formulas of the losses that the code of methods names, each with its page."""
    rows = [draw_losses_table.row(name) for f in factories for name in _losses_of(f)]
    unique = {row.name: row for row in rows if row.formula}
    if not unique and any("cross_entropy" in inspect.getsource(f) for f in factories):
        return f"Cross-entropy:\n\n```text\n{CROSS_ENTROPY}\n```"
    return "\n\n".join(
        f"{{py:func}}`~sslax.losses.{row.name}`: {row.line}\n\n"
        f"```text\n{_broken_at_commas(row.formula)}\n```"
        for row in unique.values()
    )


def measured(name: str) -> str:
    """The rows of the learning race, and where else a config was measured."""
    runs = json.loads(RESULTS.read_text())
    rows = [row for run in runs for row in run["rows"] if row["method"] == name]
    text = ""
    if rows:
        pixels = [
            row
            for run in runs
            for row in run["rows"]
            if row["method"] == "-" and row["data"] == rows[0]["data"]
        ]
        table = learning_table.draw([{"rows": [pixels[-1]]}, *_with(runs, name)])
        text = (
            "Measured in the [learning race](../../experiments/README.md"
            f"#the-learning-race), whose set-up stands there:\n\n{_without_gaps(table)}"
        )
    others = list(_sections_with(name))
    if others:
        anchors = ", ".join(
            f"[{heading}](../../experiments/README.md#{anchor})"
            for heading, anchor in others
        )
        text += f"\n\nMeasured elsewhere: {anchors}."
    return text.strip() or "No number of it has been stored yet."


def _told(function: Callable, named: bool) -> str:
    text = docstrings.body(function)
    if not named:
        return text
    return f"**{function.__name__}**: {docstrings.summary(function)}\n\n{text}".strip()


def _python(function: Callable) -> str:
    parts = docstrings.sections(function)
    example = f"```python\n{parts['Example']}\n```" if "Example" in parts else ""
    reference = f"{{py:func}}`sslax.methods.{function.__name__}`"
    returns = f"Returns: {' '.join(parts['Returns'].split())}"
    blocks = (reference, example, docstrings.entries(parts["Args"]), returns)
    return "\n\n".join(block for block in blocks if block)


def _code(function: Callable) -> str:
    source = inspect.getsource(function)
    first = ast.parse(source).body[0].body[0]  # type: ignore[attr-defined]
    lines = source.splitlines()
    kept = [*lines[: first.lineno - 1], *lines[first.end_lineno :]]
    files = [_path(module) for module in _modules(function)]
    links = ", ".join(f"[{path}](../../{path})" for path in files)
    code = "\n".join(kept)
    return f"```python\n{code}\n```\n\nFiles: {links}."


def _config(name: str, module: Any) -> str:
    config = load_config(f"{name}:sample")
    stages = config if is_staged(config) else {"": config}
    lines = []
    for stage, one in stages.items():
        for path, value, meaning in fields_of(one):
            line = f"{stage}.{path}" if stage else path
            line = f"{line} = {value!r}"
            lines.append(f"{line:<56}  # {meaning}" if meaning else line)
    fields = "\n".join(lines)
    return (
        f"[configs/{name}.py](../../configs/{name}.py) has the recipe of each variant."
        "\n\n"
        f"{docstrings.remarks(module)}\n\nA small one, for a laptop:\n\n"
        f"```sh\nsslax pretrain --config={name}:sample --workdir=/tmp/{name}\n"
        f"sslax configs {name}:sample      # the list below\n```\n\n"
        f"Every field of `{name}:sample`; `--config.FIELD=VALUE` sets it:\n\n"
        f"```text\n{fields}\n```"
    )


def _published(module: Any) -> str:
    told = _linked(docstrings.variants(module))
    return f"Published numbers, by variant of the config:\n\n{told}"


def _pitfalls(factories: list[Callable]) -> str:
    notes = []
    for function in factories:
        parts = docstrings.sections(function)
        notes += [parts.get("Note", "")]
        if "Raises" in parts:
            refused = re.sub(r"^\w+: ", "", " ".join(parts["Raises"].split()))
            notes += [f"A ValueError is raised {refused}"]
        for name in _losses_of(function):
            note = docstrings.sections(getattr(losses, name)).get("Note")
            notes += [f"`losses.{name}`: {note}" if note else ""]
    unique = dict.fromkeys(" ".join(note.split()) for note in notes if note)
    return "\n".join(f"- {note}" for note in unique)


def _losses_of(function: Callable) -> list[str]:
    """The public losses that the files of a method name, in order."""
    names = []
    for module in _modules(function):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                names += [node.attr] if node.value.id == "losses" else []
    return [n for n in dict.fromkeys(names) if n in losses.__all__ and n != "unit"]


def _modules(function: Callable) -> list[Any]:
    """The file of a method, and those of its wiring that it imports, each once."""
    found, open_ = [], [function.__module__]
    while open_:
        name = open_.pop(0)
        if name in found:
            continue
        found.append(name)
        text = inspect.getsource(importlib.import_module(name))
        open_ += re.findall(r"^from (sslax\.methods\._\w+) import", text, re.MULTILINE)
    return [importlib.import_module(name) for name in found]


def _path(module: Any) -> str:
    return str(Path(inspect.getfile(module)).resolve().relative_to(ROOT.resolve()))


def _without_gaps(table: str) -> str:
    """A table without the columns in which nothing stands below the heading."""
    lines = (line.strip("|").split("|") for line in table.splitlines())
    rows = [[cell.strip() for cell in line] for line in lines]
    kept = [n for n in range(len(rows[0])) if any(row[n] != "-" for row in rows[2:])]
    return "\n".join("| " + " | ".join(row[n] for n in kept) + " |" for row in rows)


def _with(runs: list[dict], name: str) -> list[dict]:
    rows = ([r for r in run["rows"] if r["method"] == name] for run in runs)
    return [{"rows": found} for found in rows if found]


def _sections_with(name: str) -> Iterator[tuple[str, str]]:
    """Sections of the measured results that name the config, and their anchors."""
    text = (ROOT / "experiments" / "README.md").read_text()
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading = section.partition("\n")[0]
        if re.search(rf"(configs/|experiments\.|--config=){name}\b", section):
            yield heading, re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _linked(text: str) -> str:
    return re.sub(r"arXiv:(\d+\.\d+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def _broken_at_commas(formula: str) -> str:
    """A long formula with each of its definitions on a line."""
    return re.sub(r", (?=[a-zA-Z][\w']* = )", ",\n", formula)
