"""What a run is asked by users: which label an image has, what looks like a query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

import jax
import numpy as np

from sslax import evaluate
from sslax.core import State
from sslax.evaluate.tasks import Pictures, Split, class_features
from sslax.results.evaluation import restore_run
from sslax.results.files_out import check_out
from sslax.results.report import write_pictures
from sslax.results.weights import open_trained
from sslax.train.outputs import outputs_of
from sslax.train.prompts import prompts
from sslax.train.run import Run, open_files, open_other

__all__ = ["Found", "classify_images", "search_images"]


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
    run, source = open_files(run, paths)
    z = class_features(lambda said: texts(state, said), labels, templates)
    # The length of a text is the scale of the logits.
    scale = float(np.linalg.norm(texts(state, labels[:1])))
    images = outputs_of(run, ("image",))(state, source)
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
    image_size: int | None = None,
    normalize: str | None = None,
) -> list[Found]:
    """Finds the images of a data set that are nearest to queries; writes a page.

    Args:
      workdir: the folder of a run, or of `sslax convert`.
      name: the data by their short form.
      queries: image files, and for methods that read texts any other texts.
      out: the page, HTML.
      count: how many images to show for each.
      step: which checkpoint; the newest by default, or "best".
      image_size: of converted weights, see `open_weights`.
      normalize: of converted weights.

    Returns:
      What was found, by query.

    Raises:
      ValueError: if there is no such run, checkpoint or data, or a query is no file and
        the method reads no texts.
    """
    page = check_out(out, (".html",))
    run, state = open_trained(
        workdir, step=step, train=name, image_size=image_size, normalize=normalize
    )
    texts = prompts(run)
    is_file = [Path(query).expanduser().is_file() for query in queries]
    if texts is None and not all(is_file):
        lost = queries[is_file.index(False)]
        raise ValueError(f"{lost!r} is no image file, and {_no_texts(run)}")
    run, source = open_other(run, name)
    output = "image" if texts is not None else "features"
    bank = outputs_of(run, (output,))(state, source)
    asked = [
        _of_file(run, state, query, output) if known else None
        for query, known in zip(queries, is_file, strict=True)
    ]
    rows = [
        texts(state, [query])[0] if own is None else own.flat(output)[0]
        for query, own in zip(queries, asked, strict=True)
    ]
    k = min(count, len(bank.index))
    near = evaluate.neighbours(bank.flat(output), np.stack(rows), k=k)
    found, pictures = [], []
    for query, own, cosine, places in zip(
        queries, asked, *map(np.asarray, near), strict=True
    ):
        where = [source.where(int(bank.index[i])) for i in places]
        found.append(Found(query, cosine, where))
        images = list(bank.images(places))
        # A file by its name; what is no file by all that is known of it.
        short = where if source.files is None else [PurePath(w).name for w in where]
        said = [f"{c:.3f} {name}" for c, name in zip(cosine, short, strict=True)]
        if own is not None:
            images, said = [*own.images(np.zeros(1, int)), *images], ["", *said]
        heading = query if own is None else f"The image {query}"
        text = f"The {len(places)} images of {source.name} of highest cosine, "
        text += f"{cosine[0]:.3f} to {cosine[-1]:.3f}."
        apart = own is not None
        pictures.append(Pictures(heading, text, [("", images)], apart, [said]))
    if jax.process_index() == 0:
        write_pictures(page, title=f"Search in {source.name}", pictures=pictures)
    return found


def _of_file(run: Run, state: State, path: str, output: str) -> Split:
    run, source = open_files(run, [path])
    return outputs_of(run, (output,))(state, source)


def _no_texts(run: Run) -> str:
    return (
        f"{run.config['method']['name']} reads no texts: that takes a method of images "
        "and texts, as clip, and a run with data.tokenizer"
    )
