"""Writes the features of a data set to a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import BinaryIO

import jax
import numpy as np

from sslax.results.files_out import check_out, whole_file
from sslax.results.weights import open_trained
from sslax.train.outputs import outputs_of
from sslax.train.run import open_asked

__all__ = ["embed_run"]


def embed_run(
    workdir: str,
    out: str,
    *,
    step: int | str | None = None,
    name: str | None = None,
    split: str | None = None,
    image_size: int | None = None,
    normalize: str | None = None,
) -> None:
    """Writes the features of a data set to a file.

    An npz has `features` [n d], `index` [n], the place of each row in the data, and
    where the data have them `files` [n], `labels` [n] and `class_names`. A csv and a
    parquet have a row for each image: `index`, `file`, `class`; and the features, in a
    csv as `f0`, `f1`, ..., in a parquet as one column of lists, `features`.

    Args:
      workdir: the folder of a run, or of `sslax convert`, which must be given data.
      out: the file; its name ends in .npz, .csv or .parquet.
      step: which checkpoint; the newest by default, or "best".
      name: data by their short form, see `sslax.data.parse`; the run's own by default.
      split: "train" or "test" of the run's own data; the test split by default, or the
        training data where there is none.
      image_size: of converted weights, see `open_weights`.
      normalize: of converted weights.

    Raises:
      ValueError: if there is no such run, checkpoint, data set or split, or the name
        of the file ends otherwise.
    """
    path = check_out(out, tuple(_WRITERS))
    write = _WRITERS[path.suffix]
    run, state = open_trained(
        workdir, step=step, train=name, image_size=image_size, normalize=normalize
    )
    run, source = open_asked(run, name, split)
    read = outputs_of(run, ("features",))(state, source)
    features = read.outputs["features"]
    about = {"index": read.index}
    if source.files is not None:
        about["files"] = np.array([str(source.files[i]) for i in read.index])
    if read.labels is not None:
        about |= {"labels": read.labels, "class_names": np.array(read.class_names)}
    if jax.process_index() == 0:
        with whole_file(path) as file:
            write(file, features, about)
        n, d = read.flat().shape
        print(f"{n} x {d} features of {source.name}: {out}")


def _npz(file: BinaryIO, features: np.ndarray, about: Mapping[str, np.ndarray]) -> None:
    np.savez(file, features=features, **about)


def _columns(about: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What is known of each image, by the names of columns."""
    columns = {"index": about["index"]}
    if "files" in about:
        columns["file"] = about["files"]
    if "labels" in about:
        # Of labels below 0, as sets mark what has none, the last name would be taken.
        names = np.append(about["class_names"], "")
        columns["class"] = names[np.maximum(about["labels"], -1)]
    return columns


def _csv(file: BinaryIO, features: np.ndarray, about: Mapping[str, np.ndarray]) -> None:
    """Numbers have as many digits as float32 needs to come back the same."""
    columns, rows = _columns(about), features.reshape(len(features), -1)
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    table = csv.writer(text)
    table.writerow([*columns, *(f"f{i}" for i in range(rows.shape[1]))])
    for known, row in zip(zip(*columns.values(), strict=True), rows, strict=True):
        table.writerow([*known, *(np.format_float_scientific(x) for x in row)])
    text.flush()
    text.detach()


def _parquet(
    file: BinaryIO, features: np.ndarray, about: Mapping[str, np.ndarray]
) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            "parquet is written by pyarrow: pip install pyarrow; or name the file .csv"
        ) from error
    rows = features.reshape(len(features), -1)
    numbers = pyarrow.array(rows.reshape(-1))
    lists = pyarrow.FixedSizeListArray.from_arrays(numbers, rows.shape[1])
    table = pyarrow.table({**_columns(about), "features": lists})
    parquet.write_table(table, file)


_WRITERS = {".npz": _npz, ".csv": _csv, ".parquet": _parquet}
