"""The command `sslax export`."""

from __future__ import annotations

from typing import Any

__all__ = ["run"]


def run(options: Any) -> None:
    """Writes the features of a run for others to compute.

    Args:
      options: of the command line.
    """
    options.say("nothing was written")
    from sslax.export.run import export_features

    export_features(
        options.workdir,
        options.out,
        form=options.format,
        step=options.step,
        image_size=options.image_size,
        normalize=options.normalize,
    )
