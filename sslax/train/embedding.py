"""Writes the features of a data set to a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import BinaryIO

import jax
import numpy as np
from etils import epath

from sslax import calls, data
from sslax.train.outputs import outputs_of
from sslax.train.run import Run, open_source
from sslax.train.weights import open_trained

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
    where the data have them `labels` [n], `class_names`, and `files` [n]. A csv has a
    row for each image: `index`, `file`, `class`, and the features as `f0`, `f1`, ...

    Args:
      workdir: the folder of a run, or of `sslax convert`, which must be given data.
      out: the file; its name ends in .npz or .csv.
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
    write = _writer(out)
    run, state = open_trained(
        workdir, step=step, train=name, image_size=image_size, normalize=normalize
    )
    source = data.source(name) if name is not None else _own(run, split)
    read = outputs_of(run, ("features",))(state, source)
    made = {"features": read.outputs["features"], "index": read.index}
    if read.labels is not None:
        made |= {"labels": read.labels, "class_names": np.array(read.class_names)}
    if source.files is not None:
        made["files"] = np.array([str(source.files[i]) for i in read.index])
    if jax.process_index() == 0:
        with epath.Path(out).open("wb") as file:
            write(file, **made)
        n, d = made["features"].shape
        print(f"{n} x {d} features of {source.name}: {out}")


def _writer(out: str) -> Callable[..., None]:
    writers = {".npz": np.savez, ".csv": _write_csv}
    suffix = epath.Path(out).suffix
    if suffix not in writers:
        raise ValueError(
            f"features are written as .npz or .csv; got {out!r}: name it {out}.npz"
        )
    return writers[suffix]


def _write_csv(
    file: BinaryIO,
    *,
    features: np.ndarray,
    index: np.ndarray,
    labels: np.ndarray | None = None,
    class_names: np.ndarray | None = None,
    files: np.ndarray | None = None,
) -> None:
    """Numbers have as many digits as float32 needs to come back the same."""
    columns: dict[str, Sequence] = {"index": index}
    if files is not None:
        columns["file"] = files
    if labels is not None and class_names is not None:
        columns["class"] = class_names[labels]
    names = [*columns, *(f"f{i}" for i in range(features.shape[1]))]
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    table = csv.writer(text)
    table.writerow(names)
    for about, row in zip(zip(*columns.values(), strict=True), features, strict=True):
        table.writerow([*about, *(np.format_float_scientific(x) for x in row)])
    text.flush()
    text.detach()


def _own(run: Run, split: str | None) -> data.Source:
    if split is None:
        d = run.config["data"]
        split = "test" if d["test"] or data.test_of(d["train"]) else "train"
    if split not in ("train", "test"):
        raise ValueError(
            f"split {split!r} of the run's own data: "
            f"{calls.nearest(split, ('train', 'test'))}"
        )
    return open_source(run.config, split, run.tokenizer)
