"""The command `sslax translate`."""

from __future__ import annotations

from typing import Any

from sslax.commands.processes import start

__all__ = ["run"]


def run(options: Any) -> None:
    """Writes images of one domain as the run makes them of another.

    Args:
      options: of the command line.

    Raises:
      ValueError: if what compares them is given in part.
    """
    options.say("what was written stands; the same command begins again")
    _check(options)
    start(options)
    from sslax.results.translating import translate_run

    asked = {"step": options.step, "name": options.data}
    if options.compare is None:
        translate_run(options.workdir, options.out, **asked)
        return
    from sslax.results.distances import judge, open_judge, untranslated
    from sslax.train.run import open_files

    by = open_judge(
        options.encoder,
        options.compare,
        image_size=options.image_size,
        normalize=options.normalize,
    )
    before = untranslated(by, options.workdir, options.data)
    files = translate_run(options.workdir, options.out, **asked)
    sets = {"translations": open_files(by.run, files)[1], "images as they are": before}
    judge(by, sets, out=options.out)


def _check(options: Any) -> None:
    """Numbers without their network would say nothing; a network alone does nothing."""
    if options.compare is not None and options.encoder is None:
        raise ValueError(
            "--compare reads images by the features of another network: give "
            "--encoder=DIR, the folder of a run or of sslax convert"
        )
    if options.compare is None:
        for name in ("encoder", "image_size", "normalize"):
            if getattr(options, name) is not None:
                raise ValueError(
                    f"--{name} is for --compare=DATA, images of the target domain"
                )
