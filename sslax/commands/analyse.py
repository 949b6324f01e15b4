"""The command `sslax analyse`."""

from __future__ import annotations

from statistics import mean
from typing import Any

__all__ = ["run"]


def run(options: Any) -> None:
    """Compares transformers layer by layer and writes a page.

    Args:
      options: of the command line.
    """
    options.say("nothing was written")
    from sslax.analyse.run import analyse_runs

    numbers = analyse_runs(
        options.runs,
        options.out,
        source=options.data,
        images=options.images,
        size=options.image_size,
        normalize=options.normalize,
    )
    for name, found in numbers["runs"].items():
        first, last = (mean(found["distance"][i]) for i in (0, -1))
        print(
            f"{name}: heads look {first:.1f} pixels far in the first of "
            f"{len(found['distance'])} layers, {last:.1f} in the last"
        )
    print(options.out)
