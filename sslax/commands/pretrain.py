"""The command `sslax pretrain`."""

from __future__ import annotations

from typing import Any

__all__ = ["run"]


def run(options: Any) -> None:
    """Trains, from the newest checkpoint if there is one, and evaluates in the end.

    Args:
      options: of the command line.
    """
    from sslax.commands.processes import start

    options.say("the same command goes on from the newest checkpoint")
    start(options)
    from absl import logging

    from sslax.commands.overrides import load_config
    from sslax.train.evaluation import evaluate_run
    from sslax.train.loop import pretrain

    config = load_config(options.config, options.overrides, follow=True)
    logging.info("%s in %s", config["method"]["name"], options.workdir)
    experiment, state = pretrain(
        config, options.workdir, allow_config_change=options.allow_config_change
    )
    if int(state.step) == config["steps"] and config["evaluate"]["final"]:
        options.say(
            "training is complete and saved; sslax evaluate --workdir="
            f"{options.workdir} evaluates it"
        )
        evaluate_run(experiment, state, options.workdir)
