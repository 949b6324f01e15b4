"""The mistakes of messages.txt, each as a command in a process of its own."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from experiments.reliability import launch, messages
from experiments.reliability.trial import Outcome, Trial


def trials(home: Path) -> Iterator[Trial]:
    """Every command of the file."""
    del home
    for section, cases in messages.stored().items():
        for case in cases:
            yield Trial(f"messages: {section}", case.command, partial(_said, case))


def _said(case: messages.Case, folder: Path) -> Outcome:
    with messages.somewhere():
        words = shlex.split(case.command)[1:]
        here = os.getcwd()
        ended = launch.run(words, folder / "said.log", limits=partial(os.chdir, here))
    # What is logged before the mistake is found comes first.
    said = messages.shortened(ended.said.strip().replace(here, "HERE"))
    wanted = case.answer.partition(" ")[2]
    good = f"[{ended.code}]" == case.answer.partition(" ")[0] and said.endswith(wanted)
    return Outcome(
        good, "as the file has it" if good else f"[{ended.code}] {said}"[:500]
    )
