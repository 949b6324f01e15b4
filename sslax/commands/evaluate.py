"""The command `sslax evaluate`."""

from __future__ import annotations

from typing import Any

from sslax.commands.processes import start

__all__ = ["run"]


def run(options: Any) -> None:
    """Evaluates a checkpoint of a run and writes its report.

    Args:
      options: of the command line.
    """
    options.say("nothing was changed; the same command begins again")
    start(options)
    from sslax.train.evaluation import evaluate_run, restore_run

    experiment, state = restore_run(options.workdir, options.step)
    evaluate_run(experiment, state, options.workdir)
