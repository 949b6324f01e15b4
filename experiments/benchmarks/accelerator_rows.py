"""Rows of the benchmark on an accelerator: from seconds to a line of its table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from typing import Any

from experiments.benchmarks.step import shares_of

# Of a row as it is shown, with the format; one that is missing is a dash.
COLUMNS = {"config": "", "dtype": "", "batch": "", "step ms": ".1f"}
COLUMNS |= {"spread ms": ".1f", "images/s": ",.0f", "predicted ms": ".1f"}
COLUMNS |= {"bound by": "", "MFU %": ".0f", "GiB": ".1f", "compile s": ".0f"}
COLUMNS |= {"other %": ".1f", "no views ms": ".1f", "torch ms": ".1f"}
COLUMNS |= {"torch compiled ms": ".1f", "torch GiB": ".1f", "ratio": ".2f"}
COLUMNS |= {"ratio, no views": ".2f"}
PARTS = ("views", "objective", "loss", "optimizer", "after")
FORMS = {"eager": "torch ms", "compiled": "torch compiled ms"}


def numbers(times: Mapping[str, list[float]], batch: int) -> dict[str, float]:
    """What seconds of calls tell, ours and the peer's."""
    median = {name: statistics.median(values) for name, values in times.items()}
    step = median["step"]
    bare = step - median["views"]
    made = {"step ms": 1e3 * step, "no views ms": 1e3 * bare}
    made["spread ms"] = 1e3 * (max(times["step"]) - min(times["step"]))
    made |= {
        "images/s": batch / step,
        "other %": 100 * (1 - shares_of(median)["model"]),
    }
    made |= {f"{part} ms": 1e3 * median[part] for part in PARTS}
    theirs = {form: median[form] for form in FORMS if form in median}
    made |= {FORMS[form]: 1e3 * seconds for form, seconds in theirs.items()}
    if theirs:
        best = min(theirs.values())
        made |= {"ratio": best / step, "ratio, no views": best / bare}
    return made


def shown(made: Mapping[str, Any]) -> str:
    """A row of the table."""
    cells = [
        "-" if made.get(name) is None else format(made[name], form)
        for name, form in COLUMNS.items()
    ]
    return "| " + " | ".join(cells) + " |"


def tell(made: Mapping[str, Any], out: str) -> None:
    """Prints a row and what failed, and keeps it at once."""
    if "error" in made:
        line = f"{made['config']} {made['dtype']} failed: {made['error']}"
    else:
        line = shown(made)
    for form, error in made.get("peer", {}).get("failed", {}).items():
        line += f"\n{made['config']} {made['dtype']}, {form} of the peer: {error}"
    print(line, flush=True)
    if out:
        with open(out, "a") as file:
            file.write(json.dumps(made) + "\n")
