"""The command `sslax neighbours`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sslax.commands.processes import start

__all__ = ["run"]


def run(options: Any) -> None:
    """Writes a page of nearest images and of near-duplicates.

    Args:
      options: of the command line.
    """
    options.say("nothing was written")
    start(options)
    from sslax.results.likeness import find_likeness

    found = find_likeness(
        options.workdir,
        options.out,
        name=options.data,
        split=options.split,
        images=options.images,
        count=options.count,
        threshold=options.threshold,
        step=options.step,
        image_size=options.image_size,
        normalize=options.normalize,
    ).about
    print(
        f"{found['images']} images of {found['data']}: {found['pairs']} pairs of "
        f"cosine {found['threshold']:g} or more, in {found['groups']} groups"
    )
    if "note" in found:
        print(f"note: {found['note']}")
    print(f"page: {options.out}\nnumbers: {Path(options.out).with_suffix('.json')}")
