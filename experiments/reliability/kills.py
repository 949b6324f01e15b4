"""SIGKILL at random moments: the run that goes on ends as if never stopped."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from experiments.reliability import ends, launch
from experiments.reliability.small import METHODS
from experiments.reliability.trial import Outcome, Trial, pretrain, said_briefly

_AIMS = ("save", "step", "time")


def trials(home: Path, count: int) -> Iterator[Trial]:
    """Kills, over all methods in turn; a third is aimed at a checkpoint's writing."""
    for i in range(count):
        method, number = METHODS[i % len(METHODS)], i // len(METHODS)
        aim = _AIMS[(i + number) % len(_AIMS)]
        run = partial(_kill, home, method, aim, random.Random(f"{method} {number}"))
        yield Trial(f"kills: {method}", f"{number} {aim}", run)


def whole(home: Path, method: str) -> dict[str, Any]:
    """The run that was never stopped: its end, and how long it takes."""

    def make() -> dict[str, Any]:
        command = pretrain(method, home / "whole" / method, *options(home, method))
        shutil.rmtree(home / "whole" / method, ignore_errors=True)
        ended = launch.run(command, home / "whole" / f"{method}.log")
        if ended.code:
            raise RuntimeError(ended.said)
        found = ends.summary(home / "whole" / method)
        return {**found, "seconds": ended.seconds}

    (home / "whole").mkdir(parents=True, exist_ok=True)
    return ends.kept(home / "whole" / f"{method}.json", make)


def options(home: Path, method: str) -> list[str]:
    """What a command of a method needs beside its config."""
    if method != "beit":
        return []
    whole(home, "tokenizer")
    return [f"--config.start={home}/whole/tokenizer:params=extra/tokenizer"]


def _kill(home: Path, method: str, aim: str, draw: random.Random, folder: Path):
    wanted = whole(home, method)
    command = pretrain(method, folder / "run", *options(home, method))
    seconds = wanted["seconds"]
    for _ in range(5):
        shutil.rmtree(folder / "run", ignore_errors=True)
        began = time.monotonic()
        child = launch.start(command, folder / "killed.log")
        if _moment(child, folder / "run", aim, draw, seconds):
            launch.kill(child)
        if launch.wait(child).code < 0:
            break
        seconds = time.monotonic() - began  # less than of the first, that compiled
    else:
        return Outcome(False, "ended before it was killed, five times")
    at, torn = launch.step_of(folder / "run"), unfinished(folder / "run")
    again = launch.run(command, folder / "again.log")
    if again.code:
        return Outcome(False, f"killed at step {at}: {said_briefly(again)}")
    differ = ends.differences(folder / "run", wanted)
    note = f"killed at step {at}" + (", in a save" if torn else "")
    return Outcome(not differ, "; ".join([note, *differ[:3]]))


def _moment(child, folder: Path, aim: str, draw: random.Random, seconds: float) -> bool:
    """Waits for the moment; False if the run ends before."""
    if aim == "time":
        end = time.monotonic() + draw.uniform(0, seconds)
        return launch.until(child, lambda: time.monotonic() > end)
    step = draw.randrange(1, 56)
    if not launch.until(child, lambda: launch.step_of(folder) >= step):
        return False
    if aim == "save":
        if not launch.until(child, lambda: unfinished(folder)):
            return False
        time.sleep(draw.choice((0, 0, draw.uniform(0, 0.02))))
    else:
        time.sleep(draw.uniform(0, 0.02))
    return True


def unfinished(folder: Path) -> bool:
    """Whether a checkpoint, or what stands beside one, is half written."""
    saved = folder / "checkpoints"
    there = list(saved.iterdir()) if saved.exists() else []
    half = [p for p in there if not (p / "commit_success.txt").exists()]
    return bool(half) or any((folder / "feed").glob("*/writing.npz"))
