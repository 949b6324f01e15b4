"""What the stored training steps of released codes say of a method."""

from __future__ import annotations

import functools
import importlib
import json
import re
from collections.abc import Iterator

from experiments import draw_methods_table
from experiments.site.links import ROOT

TRAJECTORIES = ROOT / "tests" / "goldens" / "trajectories"


def steps(name: str) -> str:
    """The official training steps that a method reproduces, and notes on them."""
    cases = json.loads((TRAJECTORIES / "manifest.json").read_text())["cases"]
    own = [case for case in cases if _config_of(case) == name]
    test = f"tests/methods/test_{name}.py"
    follows = ""
    if (ROOT / test).exists():
        follows = f"Plain NumPy follows it for three steps in [{test}](../../{test})."
    if not own:
        return f"There is no stored step of a released code. {follows}".strip()
    head = "| case | code | files | optimizer |\n|---|---|---|---|\n"
    rows = "".join(_row_of(case) for case in own)
    notes = "\n".join(f"- {note}" for note in _notes(name))
    said = (
        "What had to be made good for the comparison, of the [notes]"
        f"(../../tests/goldens/trajectories/NOTES.md) on all methods:\n\n{notes}"
    )
    parts = (
        "Four steps of each of these were run from given weights on given images; "
        "losses and the final state are reproduced in float64 and float32.",
        f"{head}{rows}".strip(),
        said if notes else "",
        follows,
    )
    return "\n\n".join(part for part in parts if part)


def _config_of(case: dict) -> str:
    own = (ROOT / "configs" / f"{case['method']}.py").exists()
    return case["method"] if own else "finetune"


def _row_of(case: dict) -> str:
    source, _, files = case["source"].partition(":")
    repository, _, commit = source.partition("@")
    code = f"[{repository}@{commit[:7]}](https://github.com/{repository}/tree/{commit})"
    case_name = case["file"].removesuffix(".npz")
    cells = (f"`{case_name}`", code, files, case["optimizer"]["name"])
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |\n"


def _notes(name: str) -> Iterator[str]:
    """What the notes on trajectories say of a method.

    A note is a bullet, or a paragraph that begins `NAME: `. It is about the method that
    its first sentence names first, else about those that the heading above names.
    """
    text = (TRAJECTORIES / "NOTES.md").read_text()
    about: list[str] = []
    for block in re.split(r"\n(?=- |\n)", text):
        note = " ".join(block.split()).removeprefix("- ")
        if block.startswith("\n"):
            lead = re.match(r"([\w ]+?)(?: \((.*?)\))?:(?: |$)", note)
            listed = (lead[2] or lead[1]).split(", ") if lead else []
            about = [_method_called(title) for title in listed]
        first = _first_named(note.partition(".")[0])
        is_heading = note.endswith(":")
        if not is_heading and (name == first or (not first and name in about)):
            yield note


def _first_named(sentence: str) -> str:
    """The config whose name or title, written as a name is, comes first."""
    found = {}
    for title in sorted(_titles(), key=len):  # of two that begin alike the longer
        for match in re.finditer(rf"\b{re.escape(title)}\b", sentence, re.IGNORECASE):
            if not match[0].islower():
                found.setdefault(match.start(), []).append(_titles()[title])
    return found[min(found)][-1] if found else ""


def _method_called(title: str) -> str:
    return _titles().get(title.lower(), "")


@functools.cache
def _titles() -> dict[str, str]:
    """The configs by their names and titles, in small letters."""
    titles = {}
    for name in draw_methods_table.configs():
        doc = importlib.import_module(f"configs.{name}").__doc__
        title = re.sub(r"[,(].*", "", doc.partition(". ")[0]).strip().lower()
        titles |= {title: name, name.replace("_", " "): name}
    return {**titles, "moco": "moco"}
