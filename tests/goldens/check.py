"""Runs stored reference cases through the adapters.

    python -m tests.goldens.check [--cases DIR] [--family FAMILY] [--skipped]

where FAMILY is contrastive, trajectories or vision; without it all, or what DIR has.

Every case of a folder with a manifest runs in float32 and again in float64, at the
manifest's tolerances, which in float32 are widened where the case is ill-conditioned
(`tolerances.Conditioning`). One line a case, then `N passed, M failed`; the exit code
is 0 if none failed. A topic without an adapter counts as failed, by name, and so does a
parameter or an input that the adapter does not read.

What is compared. Contrastive: the loss, the gradient with respect to each named input
(by `jax.grad` of the adapter's "loss"; `gradrenorm_*` will do where the function
normalises) and every `aux_*`. Vision: every `out/` and `grad/`, and of `feat/ after/
stat/` what the adapter returns; `reading.find` says what a name means. Trajectories:
the loss of every step and every `final/` state, see `trajectories`. What is not
compared is listed: `adapters.ALTERNATIVES` for names that always record something else,
and in the adapters' modules `SKIPPED: dict[topic, dict[pattern, reason]]`, where a
pattern (as in fnmatch) is met by the whole name or by what follows its first slash. A
skipped name that an adapter returns anyway is compared. What need not be read is listed
in the same way, in `NOT_READ`; outputs that jump, of which float32 may get a few
numbers wrong, in `JUMPS`. `--skipped` prints these lists.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path

import jax
import numpy as np

from tests.goldens import (
    adapters,
    contrastive_cases,
    trajectories,
    trajectory_cases,
    vision_cases,
)
from tests.goldens.errors import Outcome

FAMILIES = {
    "contrastive": contrastive_cases,
    "trajectories": trajectory_cases,
    "vision": vision_cases,
}
HERE = Path(__file__).parent


def check_case(case: dict, folder: Path, family: str, precision: str) -> Outcome:
    """Runs one case in one precision, `float32` or `float64`."""
    arrays = dict(np.load(folder / case["file"], allow_pickle=False))
    double = precision == "float64"
    with jax.enable_x64(double), _quick_compiles(double or family != "contrastive"):
        return FAMILIES[family].check(case, arrays, np.dtype(precision))


@contextlib.contextmanager
def _quick_compiles(on: bool):
    """Losses in float32 are compiled as users compile; for the rest, time matters."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", on)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


def adapter_of(case: dict, family: str):
    """The adapter of a case, or None."""
    module = FAMILIES[family]
    return module.TABLE.get(module.topic(case))


def read_cases(folder: Path) -> list[dict]:
    """The cases of a folder's manifest."""
    cases = json.loads((folder / "manifest.json").read_text())["cases"]
    return [{"id": Path(case["file"]).stem, **case} for case in cases]


def family_of(cases: list[dict]) -> str:
    """The family that a manifest is of, by the form of its cases."""
    names = set(cases[0]) if cases else set()
    if "optimizer" in names:
        return "trajectories"
    return "contrastive" if "method" in names else "vision"


def check_folder(folder: Path, family: str | None = None) -> tuple[int, int]:
    """Checks every case of a folder, prints a line each; returns passed and failed."""
    cases = read_cases(folder)
    family = family or family_of(cases)
    failed = 0
    for case in cases:
        problems, shares = [], []
        if adapter_of(case, family) is None:
            problems = [f"no adapter for {FAMILIES[family].topic(case)!r}"]
        else:
            for precision in ("float32", "float64"):
                try:
                    outcome = check_case(case, folder, family, precision)
                except Exception as error:  # a case that raises is a case that fails
                    outcome = Outcome([f"{type(error).__name__}: {error}"], np.inf)
                problems += [f"{precision}: {text}" for text in outcome.failures]
                shares.append(f"{precision} {outcome.worst:.2f}")
        failed += bool(problems)
        word = "FAIL" if problems else "ok  "
        print(f"{word} {case['id']}: {'; '.join(problems or shares)}", flush=True)
    return len(cases) - failed, failed


def print_skipped() -> None:
    """Prints what is not compared, not read, or jumps, by topic, with the reasons."""
    tables = [
        ("", {"any topic": adapters.ALTERNATIVES, **adapters.SKIPPED}),
        ("", {"any training step": trajectory_cases.SKIPPED, **trajectories.SKIPPED}),
        ("in float32: ", trajectories.UNDETERMINED),
        ("not read: ", {**adapters.NOT_READ, **trajectories.NOT_READ}),
        ("jumps: ", adapters.JUMPS),
    ]
    for word, table in tables:
        for name, patterns in table.items():
            for pattern, reason in patterns.items():
                print(f"{name}: {word}{pattern}: {reason}")


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=Path, help="a folder with a manifest.json")
    parser.add_argument("--family", choices=[*FAMILIES])
    parser.add_argument("--skipped", action="store_true", help="list what is left out")
    options = parser.parse_args(arguments)
    if options.skipped:
        print_skipped()
        return 0
    if options.cases:
        folders = [(options.cases, options.family)]
    else:
        families = [options.family] if options.family else [*FAMILIES]
        folders = [(HERE / family, family) for family in families]
    counts = [check_folder(folder, family) for folder, family in folders]
    passed, failed = (sum(column) for column in zip(*counts, strict=True))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
