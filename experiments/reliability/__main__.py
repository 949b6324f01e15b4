"""A campaign of faults: kills, damage, full disks, odd data, hostile files, long runs.

    python -m experiments.reliability --kills 100
    python -m experiments.reliability --parts kills,data --workdir /tmp/campaign
    python -m experiments.reliability --table          # of what has been run

Every trial is kept in WORKDIR/rows.jsonl as it ends, and not run again: the same
command goes on. A trial that failed leaves its folder there, and is run again with
--again. docs/reliability.md has the table of a whole campaign.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.reliability import (
    code,
    damage,
    devices,
    faulty_data,
    kills,
    long_run,
    said,
    signals,
    storage,
)
from experiments.reliability.trial import Outcome, Trial

PARTS = {
    "kills": lambda home, args: kills.trials(home, args.kills),
    "signals": lambda home, args: signals.trials(home),
    "devices": lambda home, args: devices.trials(home),
    "checkpoints": lambda home, args: damage.trials(home),
    "storage": lambda home, args: storage.trials(home),
    "data": lambda home, args: faulty_data.trials(home),
    "messages": lambda home, args: said.trials(home),
    "steps": lambda home, args: long_run.trials(home, args.steps),
    "code": lambda home, args: code.trials(home),
}


# Characters of what was seen in a line of the table.
_MOST = 240


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help="which, with commas")
    parser.add_argument("--kills", type=int, default=100, help="kills of all methods")
    parser.add_argument("--steps", type=int, default=10_000, help="of the long run")
    parser.add_argument("--workdir", default="workdir/reliability", help="a folder")
    parser.add_argument("--again", action="store_true", help="run what failed again")
    parser.add_argument("--table", action="store_true", help="only draw the table")
    args = parser.parse_args()
    parts = args.parts.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"no parts {unknown}; there are {', '.join(PARTS)}")
    home = Path(args.workdir).resolve()
    home.mkdir(parents=True, exist_ok=True)
    rows = home / "rows.jsonl"
    if not args.table:
        for part in parts:
            run_part(part, PARTS[part](home, args), rows, home, again=args.again)
    print(table(stored(rows)))


def run_part(
    part: str, trials: Iterator[Trial], rows: Path, home: Path, *, again: bool
):
    """Runs the trials of a part that are not in the file yet."""
    for trial in trials:
        title = f"{trial.group} {trial.name}".strip()
        found = stored(rows).get(title)
        if found and (found["good"] or not again):
            continue
        folder = home / part / title.replace("/", "_")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        began = time.monotonic()
        try:
            outcome = trial.run(folder)
        except Exception as error:
            outcome = Outcome(False, f"{type(error).__name__}: {error}"[:500])
        note = outcome.note.replace(f"{folder}/", "").replace(f"{home}/", "")
        row = {"part": part, "group": trial.group, "name": trial.name}
        row |= {"good": outcome.good, "note": note}
        row |= {"seconds": round(time.monotonic() - began, 1)}
        with rows.open("a") as file:
            file.write(json.dumps(row) + "\n")
        verdict = "ok " if outcome.good else "BAD"
        print(f"{verdict} {title}: {note}", flush=True)
        if outcome.good:
            shutil.rmtree(folder)


def stored(file: Path) -> dict[str, dict[str, Any]]:
    """Rows by trial; of several the last."""
    lines = file.read_text().splitlines() if file.exists() else []
    rows = map(json.loads, lines)
    return {f"{row['group']} {row['name']}".strip(): row for row in rows}


def table(rows: dict[str, dict[str, Any]]) -> str:
    """A line for every group: how many trials, and how many ended as they should."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows.values(), key=lambda row: list(PARTS).index(row["part"])):
        groups.setdefault(row["group"], []).append(row)
    lines = ["| trial | ended as it should | seen |", "|---|---|---|"]
    for group, found in groups.items():
        good = sum(row["good"] for row in found)
        seen = _seen([row["note"] for row in found])
        lines.append(f"| {group} | {good} of {len(found)} | {seen} |")
    return "\n".join(lines)


def _seen(notes: list[str]) -> str:
    """How many saw what some saw, or what one saw: that with the largest gap."""
    for word in ("in a save", "fell back"):
        if count := sum(word in note for note in notes):
            return f"{count} {word}"
    return max(notes, key=_gap).replace("|", "/")[:_MOST]


def _gap(note: str) -> float:
    found = re.search(r"within (\d\S*)", note)
    return float(found[1]) if found else 0.0


if __name__ == "__main__":
    main()
