"""Foreground segmentation as a task."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array

from sslax.evaluate._segmentation import iou, segment_maps
from sslax.evaluate.tasks._drawing import enlarged, masked
from sslax.evaluate.tasks._task import Pictures, Results, Split, Task, left_out

_SHOWN = 8


def segment(*, l2: float = 1e-3, examples: int = 500) -> Task:
    """A linear probe on the cells of `outputs["map"]` against foreground masks.

    For data whose examples have the field "foreground".

    Args:
      l2: penalty of the logistic regression.
      examples: at most so many images of each split.

    Returns:
      A task with the numbers `iou`, of the foreground, and `miou`, its mean with the
      background's, percent; and pictures of what was found.
    """

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        if "test" not in splits:
            return Results(notes=left_out("segmentation is", "there is no test split"))
        train, test = splits["train"], splits["test"]
        truth = test.fields["foreground"] > 0.5
        found = segment_maps(
            train.outputs["map"],
            train.fields["foreground"],
            test.outputs["map"],
            size=truth.shape[1],
            l2=l2,
            key=key,
        )
        front, back = iou(found, truth)
        numbers = {"iou": front, "miou": (front + back) / 2}
        return Results(numbers, pictures=lambda: [_drawn(test, found, truth)])

    return Task(
        needs=("map",),
        run=run,
        fields=("foreground",),
        examples=examples,
        best="miou",
    )


def _drawn(test: Split, found: np.ndarray, truth: np.ndarray) -> Pictures:
    rows = np.linspace(0, len(found) - 1, min(_SHOWN, len(found))).astype(int)
    assert test.images is not None
    images = [enlarged(image) for image in test.images(rows)]
    return Pictures(
        "Segmentation",
        "Foreground of test images by a linear probe on the map of features, and the "
        "exact mask; what is not foreground is dark.",
        [
            ("image", images),
            ("found", [masked(x, found[i]) for x, i in zip(images, rows, strict=True)]),
            ("exact", [masked(x, truth[i]) for x, i in zip(images, rows, strict=True)]),
        ],
    )
