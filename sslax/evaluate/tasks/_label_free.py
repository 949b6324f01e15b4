"""Readings without labels, by which the best checkpoint can be told."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Array

from sslax.evaluate._health import rankme as rankme_of
from sslax.evaluate._label_free import alpha_req as alpha_of
from sslax.evaluate._label_free import lidar as lidar_of
from sslax.evaluate.tasks._task import Results, Split, Task, rows_of


def rankme(*, examples: int | None = None) -> Task:
    """RankMe of the training images: how many dimensions features use.

    Args:
      examples: at most so many images of a full evaluation; None is all.

    Returns:
      A task with the number `rankme`, see `evaluate.rankme`; the best is the largest.
    """

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        return Results({"rankme": rankme_of(_features(splits))})

    return Task(
        needs=("features",),
        run=run,
        splits=("train",),
        examples=examples,
        best="rankme",
    )


def alpha_req(*, first: int = 11, last: int = 100, examples: int | None = None) -> Task:
    """The decay of the spectrum of the features of training images.

    Args:
      first: the rank of the first eigenvalue of the fit.
      last: of the last.
      examples: at most so many images of a full evaluation; None is all.

    Returns:
      A task with the numbers `alpha`, see `evaluate.alpha_req`, and `alpha_req`, how
      far below 0 its distance from 1 is; the best is the largest.
    """

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        alpha = alpha_of(_features(splits), first=first, last=last)
        return Results({"alpha": alpha, "alpha_req": -abs(alpha - 1.0)})

    return Task(
        needs=("features",),
        run=run,
        splits=("train",),
        examples=examples,
        best="alpha_req",
    )


def lidar(*, views: int = 10, delta: float = 1e-4, examples: int | None = 1000) -> Task:
    """LiDAR of training views of the images that judge.

    Args:
      views: how many of each image; the paper has 50.
      delta: see `evaluate.lidar`.
      examples: at most so many images; None is all.

    Returns:
      A task with the number `lidar`, see `evaluate.lidar`; the best is the largest.

    Raises:
      ValueError: for fewer than two views.
    """
    if views < 2:
        raise ValueError(f"lidar compares views of an image; got views={views}")
    name = f"{views} views/features"

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        (split,) = splits.values()
        seen = split.outputs[name]
        if examples is not None and len(seen) > examples:
            seen = seen[:: -(-len(seen) // examples)]
        return Results({"lidar": lidar_of(seen, delta=delta)})

    return Task(
        needs=(name,), run=run, splits=("test",), examples=examples, best="lidar"
    )


def _features(splits: Mapping[str, Split]):
    (split,) = splits.values()
    return rows_of(split.outputs["features"])
