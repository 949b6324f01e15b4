"""Every file of the newest checkpoint, and beside it, cut, emptied and removed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from experiments.reliability import ends, launch
from experiments.reliability.kills import options, whole
from experiments.reliability.trial import Outcome, Trial, pretrain, said_briefly

_WAYS = ("cut", "emptied", "removed")
# A run with a plain state, and those with something beside it.
_RUNS = ("moco", "curl", "clip")


def trials(home: Path) -> Iterator[Trial]:
    """Each file of a finished run in each way."""
    for method in _RUNS:
        whole(home, method)
        for name in files(home / "whole" / method, all_of_it=method == "moco"):
            for way in _WAYS:
                run = partial(_damage, home, method, name, way)
                yield Trial(f"damage: {method}, {way}", name, run)


def files(folder: Path, *, all_of_it: bool) -> list[str]:
    """The files of the newest checkpoint, and those of the run beside it."""
    last = max(int(p.name) for p in (folder / "checkpoints").iterdir())
    found = [p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"]
    names = sorted(str(p.relative_to(folder)) for p in found)
    beside = [n for n in names if n.startswith(f"feed/{last}/") or "/" not in n]
    inside = [n for n in names if n.startswith(f"checkpoints/{last}/")]
    return beside + (inside if all_of_it else [])


def _damage(home: Path, method: str, name: str, way: str, folder: Path):
    run = folder / "run"
    shutil.copytree(home / "whole" / method, run)
    file = run / name
    content = file.read_bytes()
    if way == "removed":
        file.unlink()
    else:
        file.write_bytes(content[: len(content) // 2] if way == "cut" else b"")
    command = pretrain(method, run, *options(home, method))
    again = launch.run(command, folder / "again.log")
    wanted = whole(home, method)
    if name in ("metrics.jsonl", "tokenizer.json"):
        return _beside(name, again, run, wanted)
    if again.code:
        return Outcome(False, said_briefly(again))
    differ = ends.differences(run, wanted)
    fell = "falling back" in again.said
    return Outcome(
        not differ, "; ".join(["fell back" if fell else "as it was", *differ])
    )


def _beside(name: str, again: launch.Ended, run: Path, wanted) -> Outcome:
    """Files that a run cannot make anew: rows are lost, a vocabulary is missed."""
    if name == "tokenizer.json":
        told = again.code == 2 and "vocabulary" in again.said
        equal = not again.code and ends.end_of(run) == wanted["state"]
        return Outcome(told or equal, said_briefly(again))
    equal = not again.code and ends.end_of(run) == wanted["state"]
    left = [row["step"] for row in launch.rows(run)]
    return Outcome(equal and left == sorted(set(left)), f"{len(left)} rows left")
