"""The command `sslax evaluate`."""

from __future__ import annotations

from typing import Any

from sslax.commands.processes import start

__all__ = ["run"]


def run(options: Any) -> None:
    """Evaluates a checkpoint of a run, or converted weights, and writes a report.

    Args:
      options: of the command line.

    Raises:
      ValueError: if a run is given data.
    """
    options.say("nothing was changed; the same command begins again")
    start(options)
    from sslax.results.evaluation import evaluate_run
    from sslax.results.weights import are_weights, open_trained

    if options.data is not None and not are_weights(options.workdir):
        raise ValueError(
            f"--data is for converted weights; {options.workdir!r} holds none, and a "
            "run has its own"
        )
    experiment, state = open_trained(
        options.workdir,
        step=options.step,
        train=options.data,
        test=options.test,
        image_size=options.image_size,
        normalize=options.normalize,
    )
    evaluate_run(experiment, state, options.workdir)
