"""SIGTERM and SIGINT in every phase: a word, no traceback, and an exact end."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from experiments.reliability import ends, launch
from experiments.reliability.kills import unfinished, whole
from experiments.reliability.trial import Outcome, Trial, pretrain, said_briefly

_EVALUATED = ("--config.evaluate.final=True",)


def trials(home: Path, times: int = 2) -> Iterator[Trial]:
    """Both signals in five phases of a run that is evaluated in the end."""
    for phase in ("compile", "train", "save", "evaluation", "report"):
        for number in (signal.SIGTERM, signal.SIGINT):
            for i in range(times):
                name = f"{signal.Signals(number).name} {i}"
                run = partial(_stop, home, phase, number, random.Random(name))
                yield Trial(f"signals: {phase}", name, run)


def _stop(home: Path, phase: str, number: int, draw: random.Random, folder: Path):
    wanted, run = whole(home, "moco"), folder / "run"
    command = pretrain("moco", run, *_EVALUATED)
    child = launch.start(command, folder / "stopped.log")
    if not launch.until(child, _reached(phase, run, child.log, draw)):
        return Outcome(False, f"ended before: {said_briefly(launch.wait(child))}")
    time.sleep(draw.uniform(0, 0.05))
    launch.kill(child, number)
    stopped = launch.wait(child)
    problem = _problem(phase, number, stopped)
    again = launch.run(command, folder / "again.log")
    if again.code or not (run / "report.html").exists():
        problem = problem or f"did not go on: {said_briefly(again)}"
    differ = ends.differences(run, wanted)
    note = said_briefly(stopped)
    return Outcome(
        not problem and not differ, problem or "; ".join([note, *differ[:2]])
    )


def _problem(phase: str, number: int, stopped: launch.Ended) -> str:
    if "Traceback" in stopped.said:
        return f"a traceback: {said_briefly(stopped)}"
    saved = "asked to stop: saved" in stopped.said and stopped.code == 0
    told = "stopped; " in stopped.said and stopped.code == 128 + number
    good = saved if phase in ("train", "save") else told or saved
    return "" if good else f"not told: {said_briefly(stopped)}"


def _reached(phase: str, run: Path, log: Path, draw: random.Random) -> Callable:
    step = draw.randrange(2, 50)
    reached = {
        "compile": lambda: "compiling" in log.read_text(),
        "train": lambda: launch.step_of(run) >= step,
        "save": lambda: launch.step_of(run) >= 5 and unfinished(run),
        "evaluation": lambda: "evaluating network" in log.read_text(),
        "report": (run / "evaluation.json").exists,
    }
    return reached[phase]
