"""The command `sslax embed`."""

from __future__ import annotations

from typing import Any

from sslax.commands.processes import start

__all__ = ["run"]


def run(options: Any) -> None:
    """Writes the features of a data set.

    Args:
      options: of the command line.
    """
    options.say("nothing was written")
    start(options)
    from sslax.results.embedding import embed_run

    embed_run(
        options.workdir,
        options.out,
        step=options.step,
        name=options.data,
        split=options.split,
        image_size=options.image_size,
        normalize=options.normalize,
    )
