"""Classes told by their names alone, as a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Array

from sslax.arrays import unit
from sslax.evaluate._knn import accuracy
from sslax.evaluate.tasks._task import Results, Split, Task, left_out, read_split


def zero_shot(
    *, templates: Sequence[str] = ("a photo of a {}.",), examples: int = 50_000
) -> Task:
    """Test images find the name of their class, put into sentences.

    Of every class all sentences are read; their features have length 1, and so has the
    mean that stands for the class.

    Args:
      templates: sentences with `{}` in the place of the name.
      examples: at most so many test images.

    Returns:
      A task for methods of images and texts; its number is `zero_shot`, percent, and
      with more than five classes `zero_shot_top_5`.

    Raises:
      ValueError: if there is no sentence, or one without a place for the name.

    References:
      Radford et al., Learning Transferable Visual Models From Natural Language
      Supervision, 2021, arXiv:2103.00020, sections 3.1.2 and 3.1.4.
    """
    wrong = [x for x in templates if "{}" not in x]
    if wrong or not templates:
        raise ValueError(
            f"templates need sentences with {{}} for the name of a class; got {wrong}"
        )

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        split = read_split(splits)
        if split.labels is None or not split.class_names:
            return Results(notes=left_out("zero-shot is", "the data have no labels"))
        assert split.texts is not None
        z = class_features(split.texts, split.class_names, templates)
        known = split.labels >= 0
        scores = np.asarray(split.outputs["image"])[known] @ z.T
        labels = split.labels[known]
        numbers = {"zero_shot": float(accuracy(scores, labels))}
        if len(z) > 5:
            numbers["zero_shot_top_5"] = float(accuracy(scores, labels, topk=5))
        return Results(numbers)

    return Task(
        needs=("image",),
        run=run,
        splits=("test",),
        examples=examples,
        best="zero_shot",
        texts=True,
    )


def class_features(texts, names: Sequence[str], templates: Sequence[str]) -> np.ndarray:
    """The features of classes by their names, for `zero_shot`.

    Args:
      texts: `texts -> features [n d]`.
      names: of the classes.
      templates: sentences with a place for a name.

    Returns:
      A row of length 1 for each class, [n d].
    """
    # Names of folders and of sets have underscores.
    said = [t.replace("{}", n.replace("_", " ")) for n in names for t in templates]
    z = np.asarray(unit(np.asarray(texts(said)))).reshape(
        len(names), len(templates), -1
    )
    return np.asarray(unit(z.mean(axis=1)))
