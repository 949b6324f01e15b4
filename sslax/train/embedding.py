"""Writes the features of a data set to a file."""

from __future__ import annotations

import jax
import numpy as np
from etils import epath

from sslax import calls, data
from sslax.train.evaluation import restore_run
from sslax.train.outputs import outputs_of
from sslax.train.run import Run, open_source

__all__ = ["embed_run"]


def embed_run(
    workdir: str,
    out: str,
    *,
    step: int | None = None,
    name: str | None = None,
    split: str | None = None,
) -> None:
    """Writes the features of a data set to an npz file.

    It has `features` [n d], `index` [n], the place of each row in the data, and where
    the data have them `labels` [n], `class_names`, and `files` [n].

    Args:
      workdir: the folder of a run.
      out: the file; its name ends in .npz.
      step: which checkpoint; the newest by default.
      name: data by their short form, see `sslax.data.parse`; the run's own by default.
      split: "train" or "test" of the run's own data; the test split by default, or the
        training data where there is none.

    Raises:
      ValueError: if there is no such run, checkpoint, data set or split.
    """
    run, state = restore_run(workdir, step)
    source = data.source(name) if name is not None else _own(run, split)
    read = outputs_of(run, ("features",))(state, source)
    made = {"features": read.outputs["features"], "index": read.index}
    if read.labels is not None:
        made |= {"labels": read.labels, "class_names": np.array(read.class_names)}
    if source.files is not None:
        made["files"] = np.array([str(source.files[i]) for i in read.index])
    path = epath.Path(out if out.endswith(".npz") else f"{out}.npz")
    if jax.process_index() == 0:
        with path.open("wb") as file:
            np.savez(file, **made)
        n, d = made["features"].shape
        print(f"{n} x {d} features of {source.name}: {path}")


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
