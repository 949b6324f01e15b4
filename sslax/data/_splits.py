"""Which images are for testing, drawn once and remembered in a table."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from sslax.data._sources import Source
from sslax.data._subsets import spread
from sslax.data._tables import read_table


def write_splits(
    source: Source, path: str | os.PathLike, *, test: float, seed: int = 0
) -> dict[str, int]:
    """Draws a share of images for testing, every class in proportion, into a table.

    The table is one for `listed`: `file`, `label`, `split`. Where it is there already,
    every image in it keeps its split, and of those that have come since as many are
    drawn as the share needs; those that are gone are left out. So a model is never
    tested on what it was trained on, though the folder grows.

    Args:
      source: a source of files, such as a folder.
      path: the table, .csv.
      test: the share, in (0, 1).
      seed: of what is drawn.

    Returns:
      Counts: `train` and `test`, and of them `new`; and how many are `gone`.

    Raises:
      ValueError: if the source has no files, the share or the name of the table makes
        no sense, or the table has other splits.

    Example:
      >>> from sslax import data
      >>> data.write_splits(data.synthetic(), "all.csv", test=0.2)
      Traceback (most recent call last):
      ValueError: synthetic/train has no files, which a table could list
    """
    if source.files is None:
        raise ValueError(f"{source.name} has no files, which a table could list")
    if not 0 < test < 1:
        raise ValueError(f"the share for testing must be in (0, 1); got {test}")
    table = Path(path).expanduser()
    if table.suffix != ".csv" or not table.parent.is_dir():
        raise ValueError(f"{str(path)!r} must be a .csv in a folder that is there")
    files = [_listed(source.where(i), table.parent) for i in range(len(source))]
    known = _known(table)
    new = np.array([i for i, file in enumerate(files) if file not in known], np.int64)
    splits = [known.get(file, "train") for file in files]
    wanted = round(test * len(files)) - splits.count("test")
    labels = None if source.labels is None else source.labels[new]
    order = spread(labels, len(new), seed=seed)
    for i in new[order[: max(0, wanted)]]:
        splits[i] = "test"
    counts = {name: splits.count(name) for name in ("train", "test")}
    if 0 in counts.values():
        raise ValueError(
            f"a share of {test} of the {len(files)} images of {source.name} leaves "
            f"{counts['train']} for training and {counts['test']} for testing"
        )
    _write(table, files, _classes(source), splits)
    gone = len(known.keys() - set(files))
    return {**counts, "new": len(new), "gone": gone}


def _listed(file: str, folder: Path) -> str:
    """A path as a table lists it: relative where it is below its folder."""
    path, below = Path(file).absolute(), folder.absolute()
    return str(path.relative_to(below) if path.is_relative_to(below) else path)


def _known(table: Path) -> dict[str, str]:
    if not table.exists():
        return {}
    known = {row["file"]: row.get("split", "") for row in read_table(table)}
    if other := set(known.values()) - {"train", "test"}:
        raise ValueError(
            f"{str(table)!r} is there and has the splits {sorted(map(str, other))}; "
            "expected train and test, or choose another name"
        )
    return known


def _classes(source: Source) -> list[str] | None:
    names = source.class_names
    if names is None or source.labels is None:
        return None
    return [names[label] for label in source.labels]


def _write(
    table: Path, files: list[str], classes: list[str] | None, splits: list[str]
) -> None:
    """Whole or not at all."""
    columns = {"file": files, "label": classes, "split": splits}
    there = {name: column for name, column in columns.items() if column is not None}
    part = table.with_name(f"{table.name}.part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(there)
        writer.writerows(zip(*there.values(), strict=True))
    part.replace(table)
