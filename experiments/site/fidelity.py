"""The page that counts what holds the library to its references."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import draw_methods_table
from experiments.site import docstrings
from experiments.site.links import ROOT

GOLDENS = ROOT / "tests" / "goldens"
# The arrays of a case that others computed, by family: beginnings of their names.
RESULTS = {
    "contrastive": ("out_loss", "grad_", "aux_"),
    "vision": ("out/", "grad/", "after/", "stat/"),
    "trajectories": ("final/",),
}
WHAT = {
    "contrastive": "losses: value, gradient and what is computed on the way",
    "vision": "networks, image functions, masks, optimizers, evaluation",
    "trajectories": "whole training steps of released codes, four in a row",
}
MODULES = (
    "losses augment memory schedules models optim views methods evaluate data convert"
)


class Count(NamedTuple):
    """What one family of references holds."""

    cases: int
    numbers: int
    repositories: int


@functools.cache
def count(family: str) -> Count:
    """Counts the stored cases of a family, their numbers, and where these are from."""
    folder = GOLDENS / family
    cases = json.loads((folder / "manifest.json").read_text())["cases"]
    numbers = sum(_numbers(folder / case["file"], RESULTS[family]) for case in cases)
    repositories = {name for case in cases for name in _repositories(case)}
    return Count(len(cases), numbers, len(repositories))


def page() -> str:
    """The page, as if it were the file `docs/fidelity.md`."""
    counts = {family: count(family) for family in RESULTS}
    rows = "".join(
        f"| [{family}](../tests/goldens/{family}/NOTES.md) | {WHAT[family]} | "
        f"{c.cases} | {c.numbers:,} | {c.repositories} |\n"
        for family, c in counts.items()
    )
    cases = sum(c.cases for c in counts.values())
    numbers = sum(c.numbers for c in counts.values())
    reproduced = dict(_steps())
    configs = draw_methods_table.configs()
    listed = "".join(
        f"| [{name}](methods/{name}.md) | {n} |\n" for name, n in reproduced.items()
    )
    return f"""# Fidelity

{cases} cases and {numbers:,} numbers, computed by the code of others and stored in
[tests/goldens](../tests/goldens), are compared with ours by every run of the tests, in
float32 and again in float64. `python -m tests.goldens.check` prints a line for each.

| family | what | cases | numbers | repositories |
|---|---|---|---|---|
{rows}
Tolerances in float64 are those at which the references agree with their own formulas.
In float32 they follow the conditioning of each case: what it does to the outputs to
move the inputs as far as rounding may ([tolerances](../tests/goldens/tolerances.py)),
so that another CPU or compiler turns no test red, and a wrong formula does.

## Training steps

{len(reproduced)} of {len(configs)} configs have methods whose official training step
was run from given weights on given images and is reproduced, losses and final state:
forward, gradients, optimizer, schedule, averages, queues. All methods are followed for
three steps by plain NumPy in [tests/methods](../tests/methods).

| config | steps of released code |
|---|---|
{listed}
## What is not the released code

The recipes are the papers', held to [sheets](../tests/sheets) of what the papers and
their codes do; their full runs have not been repeated here. Where a method, a loss or a
part of one differs from paper or code, its docstring has a note. These are all of them.

{_deviations()}"""


def _numbers(file: Path, beginnings: tuple[str, ...]) -> int:
    with np.load(file, allow_pickle=False) as arrays:
        return sum(
            arrays[name].size
            for name in arrays.files
            if name.startswith(beginnings) or name.endswith("/loss")
        )


def _repositories(case: dict) -> Iterator[str]:
    """The repositories or packages that computed a case."""
    if "source" in case:
        yield case["source"].partition("@")[0]
        return
    named = case["reference"]
    for one in named if isinstance(named, list) else [named]:
        yield one.get("repo") or one.get("name") or one.get("package", "")


def _steps() -> Iterator[tuple[str, int]]:
    found = Counter(name for name, _ in draw_methods_table.sources())
    yield from sorted(found.items())


def _deviations() -> str:
    parts = []
    for module_name in MODULES.split():
        module = importlib.import_module(f"sslax.{module_name}")
        notes = list(_notes(module))
        if notes:
            lines = "\n".join(f"- `{name}`: {note}" for name, note in notes)
            parts.append(f"### sslax.{module_name}\n\n{lines}\n")
    return "\n".join(parts)


def _notes(module: Any) -> Iterator[tuple[str, str]]:
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isfunction(value) and "Note" in (told := docstrings.sections(value)):
            yield name, " ".join(told["Note"].split())
