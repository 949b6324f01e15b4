"""Writes what a run makes of images: their translations into another domain."""

from __future__ import annotations

from pathlib import PurePath

import jax
import numpy as np
from absl import logging
from etils import epath
from PIL import Image

from sslax import data
from sslax.results.evaluation import restore_run
from sslax.train.outputs import outputs_of
from sslax.train.pictures import as_picture, plain
from sslax.train.run import open_other, open_source
from sslax.train.together import gathered

__all__ = ["translate_run"]

# Images that are held in memory at a time.
_CHUNK = 256


def translate_run(
    workdir: str, out: str, *, step: int | str | None = None, name: str | None = None
) -> list[str]:
    """Translates images and writes each as a PNG, by the name of its file.

    Images are seen as evaluation sees them: `config.evaluate.views` of the run. Where
    they are no files of their own, or two would have one name, it is their number.

    Args:
      workdir: the folder of a run whose method makes translations.
      out: the folder to write; files in it are replaced.
      step: which checkpoint; the newest by default, or "best".
      name: data by their short form, see `sslax.data.parse`; the test images of the
        run, of its first domain, by default.

    Returns:
      The files, in the order of the images.

    Raises:
      ValueError: if there is no such run, checkpoint or data set, or the method makes
        no translations.
    """
    run, state = restore_run(workdir, step)
    known = run.program.method.outputs
    if "translation" not in known:
        raise ValueError(
            f"{run.config['method']['name']} makes no translations; its outputs are "
            f"{', '.join(known)}"
        )
    if name is None:
        source = open_source(run.config, "test")
    else:
        run, source = open_other(run, name)
    translate, folder = outputs_of(run, ("translation",)), epath.Path(out)
    files: list[str] = []
    taken: set[str] = set()
    for start in range(0, len(source), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(source)))
        read = translate(state, source, rows=rows)
        images = plain(read.outputs["translation"], run.config["normalize"])
        for index, image in zip(read.index, images, strict=True):
            path = folder / _name(source, int(index), taken)
            files.append(str(path))
            if jax.process_index() == 0:
                _write(path, image)
    gathered("written")  # before another process reads them
    logging.info("%d translations of %s: %s", len(files), source.name, folder)
    return files


def _write(path: epath.Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Image.fromarray(as_picture(np.clip(image, 0, 1))).save(file, "png")


def _name(source: data.Source, index: int, taken: set[str]) -> str:
    name = f"{index:06d}.png"
    if source.files is not None:
        own = PurePath(str(source.files[index])).with_suffix(".png")
        if not own.is_absolute() and str(own) not in taken:
            name = str(own)
    taken.add(name)
    return name
