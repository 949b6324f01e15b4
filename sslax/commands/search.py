"""The command `sslax search`."""

from __future__ import annotations

from typing import Any

from sslax.commands.processes import start

__all__ = ["run"]


def run(options: Any) -> None:
    """Writes a page of the images that are nearest to texts or images.

    Args:
      options: of the command line.
    """
    options.say("nothing was written")
    start(options)
    from sslax.results.asking import search_images

    found = search_images(
        options.workdir,
        options.data,
        options.queries,
        options.out,
        count=options.count,
        step=options.step,
        image_size=options.image_size,
        normalize=options.normalize,
    )
    for query, cosines, places in found:
        print(f"{query}:")
        for cosine, place in zip(cosines, places, strict=True):
            print(f"  {cosine:.3f}  {place}")
    print(f"page: {options.out}")
