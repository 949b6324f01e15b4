"""The command `sslax pretrain`."""

from __future__ import annotations

from typing import Any

__all__ = ["run"]


def run(options: Any) -> None:
    """Trains, from the newest checkpoint if there is one, and evaluates in the end.

    Args:
      options: of the command line.
    """
    from absl import logging

    from sslax.commands.processes import start

    logging.info("%s in %s: loading", options.config, options.workdir)
    options.say("the same command goes on from the newest checkpoint")
    start(options)
    from sslax.commands.overrides import load_config
    from sslax.commands.staged import is_staged
    from sslax.stages import run_stages, run_to_the_end

    config = load_config(options.config, options.overrides, follow=True)
    run_all = run_stages if is_staged(config) else run_to_the_end
    run_all(
        config,
        options.workdir,
        allow_config_change=options.allow_config_change,
        say=options.say,
    )
