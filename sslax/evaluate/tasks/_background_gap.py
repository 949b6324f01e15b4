"""How much of a class is told by what is behind it."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Array

from sslax import views
from sslax.evaluate._knn import accuracy, knn
from sslax.evaluate.tasks._task import (
    Results,
    Split,
    Task,
    class_count,
    left_out,
    rows_of,
    unlabelled,
)

KINDS = ("mixed_same", "mixed_rand", "only_background")


def background_gap(
    *,
    k: int = 20,
    temperature: float = 0.07,
    foreground: str = "data",
    examples: int | None = None,
) -> Task:
    """The accuracy of test images on other backgrounds, by kNN on training images.

    Args:
      k: neighbours; all rows where the set has fewer.
      temperature: of the votes.
      foreground: `data` is the field "foreground", an exact mask; `saliency` what
        stands out, see `views.background`.
      examples: at most so many images of each split; None is all.

    Returns:
      A task with the accuracies `original`, `mixed_same` (on the background of an image
      of the same class), `mixed_rand` (of another class), `only_background` (the class
      told without the subject), and `background_gap`, which is `mixed_same` less
      `mixed_rand`; percent.

    Raises:
      ValueError: for an unknown foreground.

    References:
      Xiao et al., Noise or Signal: The Role of Image Backgrounds in Object Recognition,
      2020, arXiv:2006.09994, section 3; there a classifier is read in place of kNN.
    """

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        if why := unlabelled(splits):
            return Results(notes=left_out("the background gap is", why))
        train, test = splits["train"], splits["test"]

        def correct(name: str) -> float:
            scores = knn(
                rows_of(train.outputs["features"]),
                train.labels,
                rows_of(test.outputs[name]),
                classes=class_count(splits),
                k=min(k, len(train.index)),
                temperature=temperature,
            )
            return float(accuracy(scores, test.labels))

        numbers = {"original": correct("features")}
        for kind in KINDS:
            if (name := f"{kind}/features") in test.outputs:
                numbers[kind] = correct(name)
        if "mixed_rand" in numbers:
            gap = numbers["mixed_same"] - numbers["mixed_rand"]
            numbers["background_gap"] = gap
        return Results(numbers)

    return Task(
        needs=("features",),
        run=run,
        wants=tuple(f"{kind}/features" for kind in KINDS),
        fields=("foreground",) if foreground == "data" else (),
        examples=examples,
        best="original",
        alters={
            kind: views.other_backgrounds(kind=kind, foreground=foreground)
            for kind in KINDS
        },
    )
