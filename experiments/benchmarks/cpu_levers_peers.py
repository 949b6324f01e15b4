"""The process of one lever for `experiments.benchmarks.cpu_levers`."""

from __future__ import annotations

import functools
from typing import Any

from experiments.benchmarks import models
from experiments.benchmarks.peers import serve


@functools.cache
def held(case: str) -> tuple[Any, float]:
    """The program of a case, run once, and its compile seconds."""
    run, (compiling, _, _) = models.ours(models.CASES[case], suited=False)
    run()
    return run, compiling


def answer(question: dict) -> float:
    """Seconds of a run, or of compiling."""
    run, compiling = held(question["case"])
    return models.timed(run) if question.get("run") else compiling


if __name__ == "__main__":
    serve(answer)
