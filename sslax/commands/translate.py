"""The command `sslax translate`."""

from __future__ import annotations

from typing import Any

from sslax.commands.processes import start

__all__ = ["run"]


def run(options: Any) -> None:
    """Writes images of one domain as the run makes them of another.

    Args:
      options: of the command line.
    """
    options.say("what was written stands; the same command begins again")
    start(options)
    from sslax.results.translating import translate_run

    translate_run(options.workdir, options.out, step=options.step, name=options.data)
