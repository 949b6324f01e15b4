"""Retrieval as a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Array

from sslax.evaluate._retrieval import pair_recall, retrieval
from sslax.evaluate.tasks._task import (
    Results,
    Split,
    Task,
    left_out,
    read_split,
    rows_of,
)


def retrieve(*, recall: Sequence[int] = (1, 5, 10), examples: int = 10_000) -> Task:
    """Test images ask for images of their class, and for their texts where they have.

    Args:
      recall: the numbers K of recall@K.
      examples: at most so many test images; the cost grows with the square.

    Returns:
      A task with the numbers `recall@K` and `mAP` by label, each image among all the
      others; for methods with the output "text" also `image_to_text_recall@K` and
      `text_to_image_recall@K`.
    """

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        split = read_split(splits)
        features, numbers, notes = rows_of(split.outputs["features"]), {}, ()
        if split.labels is None:
            notes = left_out("retrieval by label is", "the data have no labels")
        else:
            numbers = retrieval(features, split.labels, recall=recall)
        if "text" in split.outputs:
            text = rows_of(split.outputs["text"])
            features = rows_of(split.outputs.get("image", features))
            for name, pair in (
                ("image_to_text", (features, text)),
                ("text_to_image", (text, features)),
            ):
                for k, percent in pair_recall(*pair, recall=recall).items():
                    numbers[f"{name}_recall@{k}"] = float(percent)
        return Results(numbers, notes)

    return Task(
        needs=("features",),
        run=run,
        wants=("image", "text"),
        splits=("test",),
        examples=examples,
        best="mAP",
    )
