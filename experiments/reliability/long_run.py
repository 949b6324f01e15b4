"""A long run of small steps: memory, open files, threads and time stay flat."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.reliability import launch
from experiments.reliability.trial import Outcome, Trial, pretrain, said_briefly

_METHODS = ("moco", "curl")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = 1 / os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """What the system says of a process, at a step.

    Attributes:
      step: the newest of its metrics.
      resident: its memory, in MB.
      files: how many it has open.
      threads: how many it has.
      seconds: of a processor since it began; what others do on the machine is not its.
    """

    step: int
    resident: float
    files: int
    threads: int
    seconds: float


def trials(home: Path, steps: int) -> Iterator[Trial]:
    """One run for each method: from memory, and with a feed that acts."""
    del home
    for method in _METHODS:
        yield Trial(f"steps: {method}, {steps}", "", partial(_long, method, steps))


def _long(method: str, steps: int, folder: Path) -> Outcome:
    run, every = folder / "run", max(1, steps // 100)
    fields = {"steps": steps, "log_every": every, "checkpoint.every": steps // 20}
    more = [f"--config.{name}={value}" for name, value in fields.items()]
    child = launch.start(pretrain(method, run, *more), folder / "run.log")
    samples: list[Sample] = []

    def look() -> bool:
        step = launch.step_of(run)
        if step and (not samples or step > samples[-1].step):
            with contextlib.suppress(OSError):  # it has just ended
                samples.append(_sample(child.pid, run))
        return False

    launch.until(child, look, timeout=3600, pause=0.1)
    ended = launch.wait(child)
    if ended.code:
        return Outcome(False, said_briefly(ended))
    return judged(samples)


def _sample(pid: int, run: Path) -> Sample:
    about = Path(f"/proc/{pid}")
    step = launch.step_of(run)
    pages = int((about / "statm").read_text().split()[1])
    files, threads = (len(os.listdir(about / name)) for name in ("fd", "task"))
    # What follows the name of the program, which may hold spaces.
    numbers = (about / "stat").read_text().rpartition(") ")[2].split()
    spent = (int(numbers[11]) + int(numbers[12])) * _TICK
    return Sample(step, pages * _PAGE / 2**20, files, threads, spent)


def judged(samples: Sequence[Sample]) -> Outcome:
    """Flat is: the last fifth is as the fifth after the first one, within a little.

    Args:
      samples: in order; the first fifth, in which caches fill, does not count.
    """
    if len(samples) < 10:
        return Outcome(False, f"only {len(samples)} looks")
    n = len(samples) // 5
    early, late = samples[n : 2 * n], samples[-n:]

    def median(rows: Sequence[Sample], name: str) -> float:
        return float(np.median([getattr(row, name) for row in rows]))

    grown = {k: median(late, k) - median(early, k) for k in ("resident", "files")}
    grown["threads"] = median(late, "threads") - median(early, "threads")
    slower = _per_step(late) / _per_step(early)
    flat = grown["resident"] < 8 and grown["files"] < 4 and grown["threads"] < 4
    note = (
        f"{median(early, 'resident'):.0f} MB resident {grown['resident']:+.1f}, open "
        f"files {median(early, 'files'):.0f} {grown['files']:+.0f}, threads "
        f"{median(early, 'threads'):.0f} {grown['threads']:+.0f}, a step takes "
        f"{slower:.2f} times the seconds of a processor"
    )
    return Outcome(flat and slower < 1.25, note)


def _per_step(samples: Sequence[Sample]) -> float:
    """Seconds of a processor for a step, the median of those between looks."""
    pairs = itertools.pairwise(samples)
    return float(
        np.median([(b.seconds - a.seconds) / (b.step - a.step) for a, b in pairs])
    )
