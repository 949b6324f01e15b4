"""The command `sslax prepare`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["run"]


def run(options: Any) -> None:
    """Downloads a TFDS set, reads videos or emoji, draws a test split, writes masks.

    Args:
      options: of the command line.

    Raises:
      ValueError: if no set is named, if options do not go together, or as in
        `sslax.data.prepare`.
    """
    from sslax import data

    if not options.set:
        raise ValueError("give one name: sslax prepare NAME, for example cifar10")
    numbers = {name: getattr(options, name) for name in ("size", "rate", "mels")}
    given = {name: value for name, value in numbers.items() if value is not None}
    if options.table:
        _splits(options, given)
        return
    if options.test is not None:
        raise ValueError("--test draws images into a table; give --table=FILE.csv")
    if options.foreground:
        if given:
            raise ValueError(f"masks take no {', '.join(given)}: only videos do")
        from sslax.results.foregrounds import write_foregrounds

        options.say("masks that were written stand; the same command goes on")
        count = write_foregrounds(options.set, options.foreground)
        print(f"{count} masks of what stands out (spectral residual)")
        return
    options.say("the set may be incomplete; the same command begins again")
    folder = data.prepare(options.set, data_dir=options.data_dir, **given)
    if options.set.startswith("emoji:"):
        print(f"--config.data.train=captioned:{folder}")


def _splits(options: Any, given: Mapping[str, int]) -> None:
    """Draws a test split into a table, or adds to it what is new."""
    from sslax import data

    if given or options.foreground:
        raise ValueError("--table goes with --test and --seed alone")
    options.say("the table is as it was")
    share = options.test or "20%"
    try:
        number = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
    except ValueError:
        raise ValueError(f"--test is a share, as 20% or 0.2; got {share!r}") from None
    source = data.source(options.set)
    counts = data.write_splits(source, options.table, test=number, seed=options.seed)
    gone = f", {counts['gone']} are gone" if counts["gone"] else ""
    print(
        f"{counts['train']} images for training and {counts['test']} for testing, "
        f"{counts['new']} of them new{gone}: --config.data.train=listed:{options.table}"
    )
