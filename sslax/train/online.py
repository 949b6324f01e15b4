"""Evaluation while a run goes on: kNN and a linear probe on a fixed random part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sslax import calls, data, evaluate
from sslax.core import State
from sslax.train.embedding import compile_embed, embed_source
from sslax.train.run import Run, open_source

__all__ = ["online_evaluation"]

_KINDS = ("knn", "linear")


def online_evaluation(run: Run) -> Callable[[State], dict[str, float]]:
    """Prepares the evaluation that a config asks for during training.

    At most `evaluate.online_examples` images of each split are drawn once, by the seed,
    and kept in memory.

    Args:
      run: the run.

    Returns:
      `state -> {"knn": percent, "linear": percent}`, those of `evaluate.online`.

    Raises:
      ValueError: if the data have no labels, or a kind of evaluation is unknown.
    """
    config = run.config
    e = config["evaluate"]
    for kind in e["online"]:
        if kind not in _KINDS:
            raise ValueError(
                f"evaluate.online has {kind!r}: {calls.nearest(kind, _KINDS)}"
            )
    train, test = (_sample(config, split) for split in ("train", "test"))
    classes = train.num_classes
    embed = compile_embed(
        run.program.method,
        run.program.evaluation_views,
        run.program.mesh,
        run.program.shapes,
    )

    def evaluated(state: State) -> dict[str, float]:
        (x, y), (xt, yt) = (
            embed_source(embed, state, s, run.program.mesh, batch_size=e["batch_size"])
            for s in (train, test)
        )
        results = {}
        if "knn" in e["online"]:
            scores = evaluate.knn(x, y, xt, classes=classes, **e["knn"])
            results["knn"] = float(evaluate.accuracy(scores, yt))
        if "linear" in e["online"]:
            scores = evaluate.logistic_regression(
                x, y, xt, classes=classes, l2=e["online_l2"]
            )
            results["linear"] = float(evaluate.accuracy(scores, yt))
        return results

    return evaluated


def _sample(config: Any, split: str) -> data.Source:
    source = open_source(config, split)
    data.require_labels(source, "an evaluation during training")
    share = min(1.0, config["evaluate"]["online_examples"] / len(source))
    drawn = data.subset(of=source, fraction=share, seed=config["seed"])
    return data.in_memory(drawn, canvas=config["data"]["canvas"])
