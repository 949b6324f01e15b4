"""What a run is asked by users: which label an image has, what looks like a query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from sslax import data, evaluate
from sslax.core import State
from sslax.evaluate.tasks import Pictures, class_features
from sslax.train.evaluation import restore_run
from sslax.train.outputs import images_of, outputs_of
from sslax.train.prompts import prompts
from sslax.train.report import write_pictures
from sslax.train.run import Run

__all__ = ["Found", "classify_images", "search_images"]

# The side of the canvas for images of several sizes, where the run has had none.
_CANVAS = 512


class Found(NamedTuple):
    """What was found for one query: cosines, highest first, and where images lie."""

    query: str
    cosines: np.ndarray
    places: Sequence[str]


def classify_images(
    workdir: str,
    paths: Sequence[str],
    labels: Sequence[str],
    *,
    templates: Sequence[str] = ("a photo of a {}.",),
    step: int | str | None = None,
) -> np.ndarray:
    """Tells how well labels fit images.

    Args:
      workdir: the folder of a run whose method reads texts.
      paths: image files.
      labels: names of classes.
      templates: sentences with `{}` in the place of a name.
      step: which checkpoint; the newest by default, or "best".

    Returns:
      Probabilities [n labels]: the softmax of the logits of the method.

    Raises:
      ValueError: if there is no such run, file or checkpoint, its method reads no
        texts, or there are fewer than two labels.
    """
    if len(labels) < 2:
        raise ValueError(f"a choice takes two labels or more; got {list(labels)}")
    run, state = restore_run(workdir, step)
    texts = prompts(run)
    if texts is None:
        raise ValueError(_no_texts(run))
    source = data.files(paths=paths, channels=_channels(run))
    z = class_features(lambda said: texts(state, said), labels, templates)
    # The length of a text is the scale of the logits.
    scale = float(np.linalg.norm(texts(state, labels[:1])))
    images = outputs_of(_seeing(run, source), ("image",))(state, source)
    logits = scale * images.outputs["image"] @ z.T
    return np.asarray(jax.nn.softmax(logits, axis=-1))


def search_images(
    workdir: str,
    name: str,
    queries: Sequence[str],
    out: str,
    *,
    count: int = 12,
    step: int | str | None = None,
) -> list[Found]:
    """Finds the images of a data set that are nearest to queries; writes a page.

    Args:
      workdir: the folder of a run.
      name: the data by their short form.
      queries: image files, and for methods that read texts any other texts.
      out: the page, HTML.
      count: how many images to show for each.
      step: which checkpoint; the newest by default, or "best".

    Returns:
      What was found, by query.

    Raises:
      ValueError: if there is no such run, checkpoint or data, or a query is no file and
        the method reads no texts.
    """
    run, state = restore_run(workdir, step)
    texts = prompts(run)
    is_file = [Path(query).expanduser().is_file() for query in queries]
    if texts is None and not all(is_file):
        lost = queries[is_file.index(False)]
        raise ValueError(f"{lost!r} is no image file, and {_no_texts(run)}")
    source = data.source(name)
    output = "image" if texts is not None else "features"
    bank = outputs_of(_seeing(run, source), (output,))(state, source)
    rows = [
        _of_file(run, state, query, output) if known else texts(state, [query])[0]
        for query, known in zip(queries, is_file, strict=True)
    ]
    cosines, near = (
        np.asarray(x)
        for x in evaluate.neighbours(
            _flat(bank.outputs[output]),
            _flat(np.stack(rows)),
            k=min(count, len(bank.index)),
        )
    )
    shown = images_of(_seeing(run, source), source, bank.index)
    found = []
    pictures = []
    for query, known, cosine, places in zip(
        queries, is_file, cosines, near, strict=True
    ):
        where = [source.where(int(bank.index[i])) for i in places]
        found.append(Found(query, cosine, where))
        images = list(shown(places))
        if known:
            own = data.files(paths=[query], channels=_channels(run))
            images = [
                *images_of(_seeing(run, own), own, np.zeros(1, int))(np.zeros(1, int)),
                *images,
            ]
        heading = f"The image {query}" if known else query
        text = f"The {len(places)} images of {source.name} of highest cosine, "
        text += f"{cosine[0]:.3f} to {cosine[-1]:.3f}."
        pictures.append(Pictures(heading, text, [("", images)], apart=known))
    if jax.process_index() == 0:
        write_pictures(out, title=f"Search in {source.name}", pictures=pictures)
    return found


def _of_file(run: Run, state: State, path: str, output: str) -> np.ndarray:
    source = data.files(paths=[path], channels=_channels(run))
    return outputs_of(_seeing(run, source), (output,))(state, source).outputs[output][0]


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


def _channels(run: Run) -> int:
    """Of the images that the run was trained on."""
    return run.loader.shapes["image"].shape[-1]


def _seeing(run: Run, source: data.Source) -> Run:
    """The run with a canvas, where these images need one."""
    several = None in source.fields["image"].shape
    if not several or run.config["data"]["canvas"] is not None:
        return run
    own = {**run.config["data"], "canvas": _CANVAS}
    return run._replace(config={**run.config, "data": own})


def _no_texts(run: Run) -> str:
    return (
        f"{run.config['method']['name']} reads no texts: that takes a method of images "
        "and texts, as clip, and a run with data.tokenizer"
    )
