"""Images that a table lists, with labels or with captions."""

from __future__ import annotations

import csv
import dataclasses
import json
import operator
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sslax.data._folder import check_pixels, file_source, measured
from sslax.data._sources import Source

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_CAPTIONS = ("captions.csv", "captions.tsv", "captions.jsonl")


def listed(
    *,
    path: str | os.PathLike,
    split: str | None = None,
    channels: int = 3,
    bits: int = 8,
    upright: bool = False,
) -> Source:
    """Opens the images that a table lists.

    The table is a .csv, .tsv or .jsonl file whose columns are named in its first line
    (or in each line of JSON): `file`, relative to the table, and if wanted `label`, the
    name of a class, and `split`.

    Args:
      path: the table.
      split: which rows to take; None for "train" where the table has the column, else
        for all.
      channels: of the result, see `folder`.
      bits: 8 or 16 for each channel.
      upright: turn images as their EXIF orientation says.

    Returns:
      The source, in the order of the rows.

    Raises:
      ValueError: if the table is not as described, has no such rows, or lists an image
        that is not there.

    Example:
      >>> from sslax import data
      >>> data.listed(path="/no/such.csv")
      Traceback (most recent call last):
      ValueError: '/no/such.csv' does not exist
    """
    check_pixels(channels, bits)
    table = Path(path).expanduser()
    rows = read_table(table)
    names = sorted({row["label"] for row in rows if row.get("label")})
    chosen = _of_split(rows, split, table)
    files = [row["file"] for row in chosen]
    unknown = [row for row in chosen if not row.get("label")]
    if names and unknown:
        raise ValueError(f"{str(table)!r}: {unknown[0]['file']!r} has no label")
    numbers = {name: i for i, name in enumerate(names)}
    labels = np.array([numbers[row["label"]] for row in chosen if names], np.int32)
    root = table.parent
    _check_there(table, root, files)
    images = measured([root / file for file in files], channels, bits, upright)
    return file_source(
        root,
        files,
        {"image": images},
        labels=labels if names else None,
        name=f"listed:{path}" + (f"/{split}" if split else ""),
        class_names=tuple(names) or None,
    )


def captioned(
    *,
    path: str | os.PathLike,
    split: str | None = None,
    channels: int = 3,
) -> Source:
    """Opens a folder of images with captions; `tokenized` makes numbers of them.

    A table in the folder, captions.csv, .tsv or .jsonl, has the columns `file`, and
    `caption` (in JSON also `captions`, a list), and if wanted `split`; an image with
    several captions has several rows.

    Args:
      path: the folder.
      split: which rows to take; None for "train" where the table has the column, else
        for all.
      channels: of the images, see `folder`.

    Returns:
      The source, with `captions`; images in the order of their first row.

    Raises:
      ValueError: if there is no such table, it is not as described, a caption is
        missing or stands there twice, or an image is not there.

    Example:
      >>> from sslax import data
      >>> data.captioned(path="/none")
      Traceback (most recent call last):
      ValueError: '/none' has none of captions.csv, captions.tsv, captions.jsonl
    """
    root = Path(path).expanduser()
    table = _captions_of(root)
    captions: dict[str, list[str]] = {}
    for row in _of_split(read_table(table), split, table):
        several = row.get("captions") or [row.get("caption")]
        if not all(isinstance(caption, str) and caption.strip() for caption in several):
            raise ValueError(f"{str(table)!r}: {row['file']!r} has no caption")
        known = captions.setdefault(row["file"], [])
        if twice := set(known) & set(several):
            raise ValueError(
                f"{str(table)!r} lists {row['file']!r} twice with the caption "
                f"{twice.pop()!r}"
            )
        known.extend(several)
    files = list(captions)
    _check_there(table, root, files)
    field = measured([root / file for file in files], channels, 8, False)
    images = file_source(
        root,
        files,
        {"image": field},
        labels=None,
        name=f"captioned:{path}" + (f"/{split}" if split else ""),
    )
    texts = tuple(tuple(captions[file]) for file in files)
    return dataclasses.replace(images, captions=partial(operator.getitem, texts))


def _check_there(table: Path, root: Path, files: Sequence[str]) -> None:
    lost = [file for file in files if not (root / file).is_file()]
    if lost:
        raise ValueError(
            f"{str(table)!r} lists {len(lost)} images that are not there, the first "
            f"{lost[0]!r}"
        )


def _captions_of(root: Path) -> Path:
    """The table of a folder with captions."""
    tables = [root / name for name in _CAPTIONS if (root / name).is_file()]
    if not tables:
        raise ValueError(f"{str(root)!r} has none of {', '.join(_CAPTIONS)}")
    return tables[0]


def read_table(path: Path) -> list[dict[str, Any]]:
    """The rows of a table with a column `file`.

    Raises:
      ValueError: if there is no such table, or it has no rows or no such column.
    """
    if not path.is_file():
        raise ValueError(f"{str(path)!r} does not exist")
    if path.suffix not in (*_DELIMITERS, ".jsonl"):
        raise ValueError(
            f"{str(path)!r} is no table: expected .csv, .tsv, .txt or .jsonl"
        )
    try:
        rows = _rows(path)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(path)!r} is not UTF-8: byte {error.start} cannot be read"
        ) from error
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{str(path)!r} has a line that is no JSON: {error}"
        ) from error
    if not rows or not all(row.get("file") for row in rows):
        seen = list(rows[0]) if rows else "no rows"
        raise ValueError(
            f"{str(path)!r} needs a column 'file', named in the first line, with an"
            f" entry in each row; it has {seen}"
        )
    return rows


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in file if line.strip()]
        return list(csv.DictReader(file, delimiter=_DELIMITERS[path.suffix]))


def _of_split(rows: list, split: str | None, table: Path) -> list[dict[str, Any]]:
    there = sorted({str(row["split"]) for row in rows if row.get("split")})
    if split is None:
        split = "train" if "train" in there else None
    if split is None:
        return rows
    chosen = [row for row in rows if row.get("split") == split]
    if not chosen:
        raise ValueError(
            f"{str(table)!r} has no rows of the split {split!r}; it has {there or None}"
        )
    return chosen


def splits_of(path: Path) -> list[str]:
    """The splits that a table names; that of captions, for a folder with some."""
    path = _captions_of(path) if path.is_dir() else path
    return sorted({str(row["split"]) for row in read_table(path) if row.get("split")})
