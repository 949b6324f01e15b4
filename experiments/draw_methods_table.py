"""Draws the README's table of methods from the code.

    python -m experiments.draw_methods_table

A row for every config: its name and paper stand in the first line of its docstring,
what it does in those of the methods it builds, its variants in backquotes; the official
codes whose training steps it equals are those of `tests/goldens/trajectories`.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sslax import methods

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
MANIFEST = ROOT / "tests" / "goldens" / "trajectories" / "manifest.json"
# `common` and `recipes` are shared, `demo` is a variant of SimCLR.
ASIDE = ("__init__", "common", "recipes", "demo")

HEAD = """| method | what it does | config | equals the training step of |
|---|---|---|---|
"""


def configs() -> list[str]:
    """The configs that a row is drawn of."""
    return sorted(
        p.stem for p in (ROOT / "configs").glob("*.py") if p.stem not in ASIDE
    )


def variants(module: Any) -> list[str]:
    """The variants that the docstring of a config names in backquotes."""
    text = module.__doc__.partition("Variants:")[2].partition("\n\n")[0]
    return list(dict.fromkeys(re.findall(r"`(\w+)`", text)))


def built(module: Any) -> list[str]:
    """The methods that a config builds, in order, each once."""
    if hasattr(module, "get_stages"):
        found = [c.method.name for c in module.get_stages().values()]
    else:
        found = [module.get_config().method.name]
    return list(dict.fromkeys(found))


def sources() -> Iterator[tuple[str, str]]:
    """Pairs of a config and a repository whose step one of its methods equals."""
    for case in json.loads(MANIFEST.read_text())["cases"]:
        own = (ROOT / "configs" / f"{case['method']}.py").exists()
        repository = case["source"].partition("@")[0]
        # Fine-tuning, probes and few labels of any method are one config.
        yield case["method"] if own else "finetune", repository


def row(name: str) -> str:
    """The line of a config."""
    module = importlib.import_module(f"configs.{name}")
    title, _, paper = module.__doc__.splitlines()[0].rstrip(".").partition(". ")
    lines = [inspect.getdoc(getattr(methods, m)).splitlines()[0] for m in built(module)]
    named = ", ".join(f"`{v}`" for v in variants(module))
    steps = sorted({repository for config, repository in sources() if config == name})
    links = ", ".join(f"[{r}](https://github.com/{r})" for r in steps) or "-"
    cells = (
        f"**{title}**" + (f" ({paper})" if paper else ""),
        " ".join(lines),
        f"[`{name}`](configs/{name}.py): {named}",
        links,
    )
    return "| " + " | ".join(cells) + " |"


def table() -> str:
    """The whole table, as text."""
    return HEAD + "".join(f"{row(name)}\n" for name in configs())


def drawn(text: str) -> str:
    """The README with its table drawn anew."""
    start = text.index(HEAD)
    end = text.index("\n\n", start) + 1
    return text[:start] + table() + text[end:]


if __name__ == "__main__":
    README.write_text(drawn(README.read_text()))
    print(README)
