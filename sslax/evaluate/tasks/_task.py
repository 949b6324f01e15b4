"""What an evaluation task is: what it needs of a method, and what it reads of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array

from sslax.environments import Environment
from sslax.kinds import Builder

# The split of what a network plays.
EPISODES = "episodes"


class Pictures(NamedTuple):
    """Rows of pictures for the report.

    Attributes:
      heading: what they show.
      text: how to read them.
      rows: for each row its name and its pictures, uint8 [h w 3].
      apart: the first picture of a row stands apart from the others.
      captions: for each row a text for each of its pictures; or nothing.
    """

    heading: str
    text: str
    rows: Sequence[tuple[str, Sequence[np.ndarray]]]
    apart: bool = False
    captions: Sequence[Sequence[str]] = ()


class Split(NamedTuple):
    """What is known of the examples of one split, row by row.

    Attributes:
      outputs: arrays [n ...] by the names that tasks need.
      index: where the rows stand in the source, [n]; bad images are left out.
      labels: [n], or None where the data have none.
      class_names: of the labels, or None.
      fields: other arrays of the data, [n ...], such as "foreground".
      images: `(rows [k]) -> uint8 [k h w 3]`, the images of some rows as evaluation
        sees them, loaded when asked.
      texts: `texts -> [n d]`, features of any texts, where the method reads some.
    """

    outputs: Mapping[str, np.ndarray]
    index: np.ndarray
    labels: np.ndarray | None = None
    class_names: Sequence[str] | None = None
    fields: Mapping[str, np.ndarray] = {}
    images: Callable[[np.ndarray], np.ndarray] | None = None
    texts: Callable[[Sequence[str]], np.ndarray] | None = None

    def flat(self, output: str = "features") -> np.ndarray:
        """An output as one row [d] for each example."""
        x = self.outputs[output]
        return x.reshape(len(x), -1)


class Results(NamedTuple):
    """What a task found.

    Attributes:
      numbers: by name; they make one row of the table.
      notes: sentences about what was left out and why.
      pictures: draws when the numbers are safe on disk.
    """

    numbers: Mapping[str, float] = {}
    notes: tuple[str, ...] = ()
    pictures: Callable[[], Sequence[Pictures]] = tuple


class Task(NamedTuple):
    """An evaluation that a config can name.

    Beside a method's own outputs there are `"loss/NAME"`, the loss of the objective
    NAME, `"pair/features"`, features of two training views [n 2 d], of N of them
    `"N views/features"`, and of what a task alters `"KIND/OUTPUT"`.

    Attributes:
      needs: names of outputs that it cannot do without.
      run: `(splits by name, key) -> Results`; the split "test" is missing where the
        data have none.
      wants: names of outputs that it reads where they are, of one split alone: the test
        split, or the training split where there is no other.
      fields: of the data that it cannot do without.
      splits: those whose outputs it reads.
      examples: at most so many of each split, evenly spaced; None is all.
      best: the number by which the best checkpoint can be told, larger is better.
      environment: where the network acts, by its output "action": such a task reads the
        split "episodes" alone, of `examples` of them, with `reward` and those of
        `chance` [n t], and `frames` of the first ones.
      texts: whether it has texts of its own read, see `Split`.
      alters: builders `(key, batch) -> batch` by name: what is done to images before
        they are seen, for outputs `"NAME/features"`; raw pixels are altered alike.
    """

    needs: tuple[str, ...]
    run: Callable[[Mapping[str, Split], Array], Results]
    wants: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("train", "test")
    examples: int | None = None
    best: str | None = None
    environment: Environment | None = None
    texts: bool = False
    alters: Mapping[str, Builder] = {}


def read_split(splits: Mapping[str, Split]) -> Split:
    """The split that is judged: "test", or the only one there is."""
    return splits.get("test") or next(iter(splits.values()))


def unlabelled(splits: Mapping[str, Split]) -> str | None:
    """Why nothing can be learnt from labels here, or None where it can."""
    if "test" not in splits:
        return "there is no test split"
    if any(split.labels is None for split in splits.values()):
        return "the data have no labels"
    return None


def left_out(what: str, why: str) -> tuple[str]:
    """The note of a task that cannot say all."""
    return (f"{what} left out: {why}",)


def class_count(splits: Mapping[str, Split]) -> int:
    """The number of classes of labelled splits."""
    names = [split.class_names or () for split in splits.values()]
    return max(map(len, names))


def rows_of(x: Any) -> np.ndarray:
    """Outputs as [n d]."""
    x = np.asarray(x)
    return x if x.ndim == 2 else x.reshape(len(x), -1)
