"""The command `sslax prepare`."""

from __future__ import annotations

from typing import Any

__all__ = ["run"]


def run(options: Any) -> None:
    """Downloads and prepares a TFDS set, reads videos, or writes masks of images.

    Args:
      options: of the command line.

    Raises:
      ValueError: if no set is named, if masks get options of videos, or as in
        `sslax.data.prepare`.
    """
    from sslax import data

    if not options.set:
        raise ValueError("give one name: sslax prepare NAME, for example cifar10")
    numbers = {name: getattr(options, name) for name in ("size", "rate", "mels")}
    given = {name: value for name, value in numbers.items() if value is not None}
    if options.foreground:
        if given:
            raise ValueError(f"masks take no {', '.join(given)}: only videos do")
        from sslax.train.foregrounds import write_foregrounds

        options.say("masks that were written stand; the same command goes on")
        count = write_foregrounds(options.set, options.foreground)
        print(f"{count} masks of what stands out (spectral residual)")
        return
    options.say("the set may be incomplete; the same command begins again")
    data.prepare(options.set, data_dir=options.data_dir, **given)
