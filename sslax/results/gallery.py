"""Pictures for the report: views, what a method paints, neighbours, the map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import logging
from jax.sharding import NamedSharding, PartitionSpec

from sslax import data, evaluate
from sslax.core import State
from sslax.evaluate.tasks import Pictures, Results, Split
from sslax.train.outputs import examples, images_of
from sslax.train.pictures import as_picture, pictures, plain
from sslax.train.run import Run

__all__ = ["Shown", "gallery"]

_VIEWS, _QUERIES, _NEIGHBOURS, _POINTS = 8, 8, 6, 2000


class Shown(NamedTuple):
    """What the report shows beside numbers.

    Attributes:
      pictures: in order.
      embedding: positions [n 2], labels [n] or None, names of classes or None.
      failures: sentences on what could not be drawn.
    """

    pictures: Sequence[Pictures]
    embedding: tuple[np.ndarray, np.ndarray | None, Sequence[str] | None] | None
    failures: tuple[str, ...]


def gallery(
    run: Run,
    state: State,
    sources: Mapping[str, data.Source],
    splits: Mapping[str, Split],
    found: Mapping[str, Results],
) -> Shown:
    """Draws what `write_report` shows of a run; what fails is told and left out.

    Args:
      run: the run.
      state: its state.
      sources: the data by split.
      splits: features by split, some or all rows.
      found: results of tasks, which may have pictures.

    Returns:
      Pictures, the map of the features, and what could not be drawn.
    """
    failures: list[str] = []

    def drawn(what: str, draw: Callable[[], Any], otherwise: Any = ()) -> Any:
        try:
            return draw()
        except Exception as error:  # the numbers are worth more than any picture
            logging.exception("the report is without its %s", what)
            failures.append(f"{what} could not be drawn: {error}")
            return otherwise

    shown = [
        *drawn("views", lambda: [_views(run, sources["train"], splits["train"])]),
        *drawn("paintings", lambda: _painted(run, state, sources, splits)),
        *drawn("neighbours", lambda: [_neighbours(run, sources, splits)]),
    ]
    for task, results in found.items():
        shown += drawn(f"pictures of {task}", results.pictures)
    embedding = drawn("map", lambda: _embedding(run, splits), None)
    return Shown([p for p in shown if p.rows], embedding, tuple(failures))


def _some(split: Split, count: int) -> np.ndarray:
    """A few rows of a split, spread over it; those that could be read."""
    return np.unique(np.linspace(0, len(split.index) - 1, count).astype(int))


def _rows(columns: Sequence[tuple[str, list[np.ndarray]]]) -> list:
    """Each kind of picture is a row of the report."""
    return [(name, drawn) for name, drawn in columns]


def _views(run: Run, source: data.Source, split: Split) -> Pictures:
    rows = _some(split, _VIEWS)
    batch = examples(run, source, split.index[rows])
    key = jax.random.key(run.config["seed"])
    made = jax.device_get(jax.jit(run.program.plain)(key, batch))
    return Pictures(
        "Views",
        "What the loss sees: one column per image, one row per view of it; what is "
        "hidden from the network is dark.",
        _rows(pictures(made, images=len(rows))),
    )


def _painted(run: Run, state: State, sources, splits) -> list[Pictures]:
    """What a method paints, of images that it has not seen where there are."""
    output = run.program.method.outputs.get("pictures")
    if output is None:
        return []
    split = list(splits)[-1]
    rows = splits[split].index[_some(splits[split], _VIEWS)]
    batch = jax.tree.map(np.asarray, examples(run, sources[split], rows))

    titles: list[str] = []

    def paint(params, extra, batch, key):
        made = output(params, extra, run.program.views(key, batch), key=key)
        titles[:] = made  # in the order of the method: what jit returns is sorted
        return list(made.values())

    whole = NamedSharding(run.program.mesh, PartitionSpec())
    key = jax.random.key(run.config["seed"])
    made = jax.jit(paint, out_shardings=whole)(state.params, state.extra, batch, key)
    rows = [
        (
            title,
            [
                as_picture(np.clip(x, 0, 1))
                for x in plain(images, run.config["normalize"])
            ],
        )
        for title, images in zip(titles, jax.device_get(made), strict=True)
    ]
    text = f"What the network makes of images of {split}."
    return [Pictures("Pictures", text, rows)]


def _neighbours(run: Run, sources, splits) -> Pictures:
    """Images and the training images whose features are nearest."""
    asked, bank = list(splits)[-1], splits["train"]
    queries = splits[asked]
    rows = _some(queries, _QUERIES)
    if asked == "train":  # without another split, an image is not its own neighbour
        _, nearest = evaluate.other_neighbours(bank.flat(), rows, k=_NEIGHBOURS)
    else:
        k = min(_NEIGHBOURS, len(bank.index))
        _, nearest = evaluate.neighbours(bank.flat(), queries.flat()[rows], k=k)
        nearest = np.asarray(nearest)
    images = images_of(run, sources[asked], queries.index)(rows)
    found = images_of(run, sources["train"], bank.index)(nearest.ravel())
    found = found.reshape(*nearest.shape, *found.shape[1:])
    names = [""] * len(rows)
    if queries.labels is not None and queries.class_names:
        names = [queries.class_names[i] if i >= 0 else "" for i in queries.labels[rows]]
    return Pictures(
        "Nearest neighbours",
        f"Images of {asked} (first column) and the training images whose features have "
        "the highest cosine, nearest first.",
        [(n, [q, *f]) for n, q, f in zip(names, images, found, strict=True)],
        apart=True,
    )


def _embedding(run: Run, splits):
    """A map of at most 2,000 images."""
    split = splits[list(splits)[-1]]
    rows = _some(split, min(_POINTS, len(split.index)))
    key = jax.random.key(run.config["seed"])
    perplexity = min(30.0, (len(rows) - 1) / 3)
    points = evaluate.embedding_map(split.flat()[rows], key=key, perplexity=perplexity)
    labels = None if split.labels is None else split.labels[rows]
    return points, labels, split.class_names
