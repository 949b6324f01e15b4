"""What a part of the campaign is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from experiments.reliability import launch

CONFIG = "experiments/reliability/small.py"


class Outcome(NamedTuple):
    """How a trial ended.

    Attributes:
      good: whether it ended as it should.
      note: what was seen, in a few words.
    """

    good: bool
    note: str


class Trial(NamedTuple):
    """A fault, and what becomes of it.

    Attributes:
      group: the row of the table that it counts in.
      name: its own, within the group.
      run: does it; gets a folder of its own, which is removed if all is well.
    """

    group: str
    name: str
    run: Callable[[Path], Outcome]


def pretrain(variant: str, folder: Path, *more: str) -> list[str]:
    """The command of a small run."""
    return ["pretrain", f"--config={CONFIG}:{variant}", f"--workdir={folder}", *more]


def said_briefly(ended: launch.Ended) -> str:
    """The last line of what a command printed, and its exit status."""
    lines = [line for line in ended.said.strip().splitlines() if line.strip()]
    return f"[{ended.code}] {lines[-1][:600] if lines else 'nothing said'}"


def is_a_sentence(ended: launch.Ended) -> bool:
    """Whether a failure was told in a few lines, without a traceback."""
    return "Traceback" not in ended.said and len(ended.said.splitlines()) <= 12
