"""The command `sslax classify`."""

from __future__ import annotations

from typing import Any

from sslax.commands.processes import start

__all__ = ["run"]


def run(options: Any) -> None:
    """Prints how well labels fit images.

    Args:
      options: of the command line.
    """
    options.say("nothing was written")
    start(options)
    import numpy as np

    from sslax.results.asking import classify_images

    labels = [x.strip() for x in options.labels.split(",") if x.strip()]
    found = classify_images(
        options.workdir,
        options.images,
        labels,
        templates=options.template or ["a photo of a {}."],
        step=options.step,
    )
    for path, row in zip(options.images, found, strict=True):
        told = [f"{labels[i]} {100 * row[i]:.1f} %" for i in np.argsort(-row)]
        print(f"{path}: {', '.join(told)}")
