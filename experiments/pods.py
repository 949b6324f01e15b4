"""The tables of predictions in docs/pods.md: recipes compiled for chips not here.

    python -m experiments.pods                   # what is not stored yet
    python -m experiments.pods --only dino,mae --topologies v5e:16x16
    python -m experiments.pods --rows attention  # forms of attention, not recipes
    python -m experiments.pods --table           # draw the stored rows again

Each row is `sslax plan` of a recipe at its full size, in either dtype; `--config` and
what is changed stand in `experiments/pods_rows.py`. It takes one to three minutes of a
core and the extras `plan` and `plan-gpu`. Rows are added to experiments/results/ as
they come, and one that is there is not compiled again: give --anew for that.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.pods_rows import ATTENTION, RECIPES, Row
from sslax.commands.options import parse
from sslax.commands.overrides import load_config
from sslax.commands.staged import stage_of

RESULTS = Path(__file__).parent / "results"
OWN = "own"  # the dtype that a recipe says
# Rows, the file of what was planned of them, the dtypes in which they are planned.
TABLES = {
    "recipes": (RECIPES, RESULTS / "pods.json", ("bfloat16", "float32")),
    "attention": (ATTENTION, RESULTS / "pods_attention.json", (OWN,)),
}
TOPOLOGIES = ("v5e:16x16", "h100:4x8")
HEAD = ("recipe", "on", "batch", "dtype", "GiB a chip", "GFLOPs an image")
HEAD += ("compute ms", "memory ms", "links ms", "step ms", "images/s", "MFU")


def command(recipe: str, topology: str, changes: Sequence[str]) -> list[str]:
    """The words of `sslax plan` of a row."""
    recipe, _, stage = recipe.partition("/")
    words = ["plan", f"--config={recipe}", f"--topology={topology}"]
    words += [f"--stage={stage}"] if stage else []
    within = f"--config.{stage}." if stage else "--config."
    return words + [within + change for change in changes]


def planned(words: Sequence[str]) -> dict[str, Any]:
    """What `sslax plan` finds, in a process of its own: compilers keep memory.

    What a compiler says of a recipe that does not compile is in "cause".
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan.json"
        done = subprocess.run(
            [sys.executable, "-m", "sslax", *words, f"--json={file}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if file.exists():
            return json.loads(file.read_text())
    raise RuntimeError(f"sslax {' '.join(words)}\n{done.stderr[-2000:]}")


def key(title: str, plan: Mapping[str, Any]) -> tuple[str, str, str]:
    """By what a stored row is known."""
    return title, plan["topology"], plan["dtype"]


def own_dtype(words: Sequence[str]) -> str:
    """The dtype of a recipe's networks where nothing else is said."""
    options = parse(words[0], words[1:])
    config = load_config(options.config, options.overrides)
    return str(stage_of(config, options.stage)["dtype"])


def commands(
    table: Sequence[Row], topologies: Sequence[str], dtypes: Sequence[str]
) -> Iterator[tuple[tuple[str, str, str], list[str]]]:
    """By what each row will be known, and the words of its plan."""
    for topology in topologies:
        for title, recipe, changes in table:
            own = own_dtype(command(recipe, topology, changes))
            for dtype in [own if one == OWN else one for one in dtypes]:
                other = () if dtype == own else (f"dtype={dtype}",)
                words = command(recipe, topology, (*changes, *other))
                yield (title, topology, dtype), words


def draw(rows: Iterable[Mapping[str, Any]], table: Sequence[Row] = RECIPES) -> str:
    """The table in Markdown.

    Args:
      rows: stored, each with "title" and "plan", what `sslax plan --json` wrote.
      table: what may be planned.

    Returns:
      The lines, in the order of `table`, of TOPOLOGIES in it, and of dtypes.
    """
    order = {title: place for place, (title, _, _) in enumerate(table)}
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]

    def place(row: Mapping[str, Any]) -> tuple[int, int, str]:
        plan = row["plan"]
        where = TOPOLOGIES.index(plan["topology"])
        return order[row["title"]], where, plan["dtype"]

    kept = sorted((row for row in rows if row["title"] in order), key=place)
    return "\n".join(lines + [_line(row) for row in kept])


def _line(row: Mapping[str, Any]) -> str:
    plan = row["plan"]
    cells = [row["title"], plan["topology"], f"{plan['batch_size']:,}", plan["dtype"]]
    if not plan["prediction"]:
        return "| " + " | ".join([*cells, "does not compile", *"-------"]) + " |"
    memory, speed = plan["memory"], plan["prediction"]
    cells.append(f"{memory['needed'] / 2**30:.1f} of {memory['usable'] / 2**30:.1f}")
    cells[-1] += "" if plan["fits"] else ", does not fit"
    work = sum(plan["flops"]["model"][kind] for kind in ("half", "single", "highest"))
    work /= plan["batch_size"] * 1e9
    cells.append(f"{work:.0f}" if work >= 10 else f"{work:.1f}")
    for name in ("compute", "memory", "exposed", "seconds"):
        cells.append(f"{1e3 * speed[name]:.1f}")
    images = float(f"{speed['images']:.3g}")
    cells += [f"{images:,.0f}", f"{speed['mfu']:.0%}"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", choices=TABLES, default="recipes")
    parser.add_argument("--only", default="", help="recipes, by name")
    parser.add_argument("--topologies", default=",".join(TOPOLOGIES))
    parser.add_argument("--anew", action="store_true", help="also what is stored")
    parser.add_argument("--table", action="store_true", help="draw the stored rows")
    args = parser.parse_args()
    table, file, dtypes = TABLES[args.rows]
    stored = json.loads(file.read_text()) if file.exists() else []
    rows = {key(row["title"], row["plan"]): row for row in stored}
    names = (
        args.only.split(",")
        if args.only
        else [r.partition(":")[0] for _, r, _ in table]
    )
    asked = [row for row in table if row[1].partition(":")[0] in names]
    topologies = [] if args.table else args.topologies.split(",")
    for known, words in commands(asked, topologies, dtypes):
        if known in rows and not args.anew:
            continue
        print("sslax", *words, flush=True)
        try:
            plan = planned(words)
        except RuntimeError as error:  # the others are planned all the same
            print(error, file=sys.stderr)
            continue
        made = {"title": known[0], "command": " ".join(["sslax", *words])}
        rows[known] = {**made, "plan": plan}
        file.write_text(json.dumps([*rows.values()], indent=1) + "\n")
    print(draw(rows.values(), table))


if __name__ == "__main__":
    main()
