"""Accuracy of a network's own classifier, as a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Array

from sslax.evaluate._knn import accuracy
from sslax.evaluate.tasks._task import Results, Split, Task, left_out, read_split


def top_k(*, k: Sequence[int] = (1,)) -> Task:
    """How often the true class is among the k of the largest logits.

    Args:
      k: the numbers of classes that may be named.

    Returns:
      A task for methods with the output "logits" [b classes]; its numbers are `top_1`
      and the like, percent.
    """

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        split = read_split(splits)
        if split.labels is None:
            return Results(notes=left_out("accuracy is", "the data have no labels"))
        logits = np.asarray(split.outputs["logits"])
        numbers = {
            f"top_{n}": float(accuracy(logits, split.labels, topk=n))
            for n in k
            if n < logits.shape[-1]
        }
        return Results(numbers)

    return Task(needs=("logits",), run=run, splits=("test",))
