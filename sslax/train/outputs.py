"""Reads whole data sets with a network that is being trained or was restored."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from sslax import data, platforms, scratch
from sslax.core import State
from sslax.evaluate.tasks import Split
from sslax.kinds import Builder
from sslax.sharding import batch_sharding
from sslax.train.batch_outputs import reading
from sslax.train.pictures import as_picture
from sslax.train.prompts import prompts
from sslax.train.run import Run

__all__ = ["images_of", "losses_of", "outputs_of"]


def outputs_of(
    run: Run,
    names: Sequence[str],
    *,
    fields: Sequence[str] = (),
    alters: Mapping[str, Builder] | None = None,
):
    """Compiles the reading of a data set, for any state of a run.

    Every process reads its share of the images; the results are whole on all of them,
    written as they come, and on disk where they are large (`sslax.scratch`).

    Args:
      run: the run.
      names: of the method's outputs, "pair/features" and "pixels", and "KIND/NAME" of
        those of altered images.
      fields: of the data that are passed on, such as "foreground".
      alters: builders by kind: what is done to a batch before it is seen.

    Returns:
      `(state, source, *, rows=None) -> Split`: the outputs of the rows of a source, all
      by default, in their order; bad images are left out where the source skips them.
    """
    read = reading(run, names, fields, alters)

    def kept(params, extra, step, batch, key):
        del step
        own = {k: batch[k] for k in ("index", "label") if k in batch}
        return {**read(params, extra, batch, key), **own}

    compiled, texts = _compile(run, kept), prompts(run)
    size = _fitting(run.config["evaluate"]["batch_size"], run)
    key = jax.random.key(run.config["seed"])

    def outputs(state: State, source: data.Source, *, rows: Any = None) -> Split:
        rows = np.arange(len(source)) if rows is None else np.unique(rows)
        columns: dict[str, np.ndarray] = {}
        seen = np.zeros(len(rows), bool)
        for i, batch in enumerate(_batches(run, source, rows, size)):
            made = compiled(
                state.params, state.extra, state.step, batch, jax.random.fold_in(key, i)
            )
            made = {name: np.asarray(x) for name, x in made.items()}
            good = made["index"] >= 0
            slots = np.searchsorted(rows, made["index"][good])
            seen[slots] = True
            for name, x in made.items():
                if name not in columns:
                    kind = np.float32 if x.dtype.kind not in "iub" else x.dtype
                    shape = (len(rows), *x.shape[1:])
                    columns[name] = scratch.empty(shape, np.dtype(kind))
                columns[name][slots] = x[good]
        if not seen.all():
            columns = {name: scratch.keep(x, seen) for name, x in columns.items()}
        split = _split(run, source, columns, names, fields)
        return split._replace(texts=texts and functools.partial(texts, state))

    return outputs


def losses_of(run: Run, objective: str):
    """Compiles the loss of an objective on the training views of a data set.

    Args:
      run: the run.
      objective: its name.

    Returns:
      `(state, source, *, rows=None) -> [batches]`: its value on batches as large as
      those of training, or one of all rows; what does not fill a batch is left out.
    """
    program = run.program
    loss = program.method.objectives[objective].loss

    def value(params, extra, step, batch, key):
        seen = program.views(key, batch)
        return loss(params, extra, seen, key=key, step=step)[0]

    compiled = _compile(run, value)
    key = jax.random.key(run.config["seed"])

    def losses(state: State, source: data.Source, *, rows: Any = None) -> np.ndarray:
        rows = np.arange(len(source)) if rows is None else np.asarray(rows)
        size = min(run.config["batch_size"], len(rows))
        size = size // program.mesh.size * program.mesh.size
        if not size:
            return np.full(1, np.nan)
        whole = rows[: len(rows) // size * size]
        return np.array(
            [
                compiled(
                    state.params, state.extra, state.step, b, jax.random.fold_in(key, i)
                )
                for i, b in enumerate(_batches(run, source, whole, size, copy=True))
            ]
        )

    return losses


def images_of(run: Run, source: data.Source, index: np.ndarray) -> Callable:
    """The pictures of some rows of a source, as evaluation sees them.

    Args:
      run: the run.
      source: the data.
      index: where the rows stand in it, [n].

    Returns:
      `(rows [k]) -> uint8 [k h w 3]`; images are loaded by their place in the source.
    """

    def images(rows: np.ndarray) -> np.ndarray:
        batch = examples(run, source, index[np.asarray(rows)])
        seen = run.program.plain_evaluation(jax.random.key(0), batch)["views"][0]
        return np.stack([as_picture(x) for x in np.asarray(seen)])

    return images


def examples(run: Run, source: data.Source, index: np.ndarray) -> dict[str, Any]:
    """Some examples of a source as a batch, the same on every process.

    Args:
      run: the run.
      source: the data.
      index: their places.

    Returns:
      The batch, on the host's default device.
    """
    canvas = run.config["data"]["canvas"]
    loaded = [source.load(int(i), canvas) for i in index]
    return {k: jnp.stack([jnp.asarray(x[k]) for x in loaded]) for k in loaded[0]}


def _compile(run: Run, function: Callable) -> Callable:
    """A function of (params, extra, step, batch, key), its result on all processes."""
    shapes, mesh = run.program.shapes, run.program.mesh
    platform = mesh.devices.flat[0].platform
    params, extra = (
        jax.tree.map(lambda leaf: leaf.sharding, tree)
        for tree in (shapes.params, shapes.extra)
    )
    return jax.jit(
        function,
        in_shardings=(params, extra, None, batch_sharding(mesh), None),
        out_shardings=NamedSharding(mesh, PartitionSpec()),
        compiler_options=platforms.compiler_options(platform, shapes.params),
    )


def _fitting(size: int, run: Run) -> int:
    """The next size that divides by the devices."""
    return -(-size // run.program.mesh.size) * run.program.mesh.size


def _batches(
    run: Run, source: data.Source, rows: np.ndarray, size: int, *, copy: bool = False
) -> Iterator[dict[str, jax.Array]]:
    """Global batches of rows, of which each process reads its share.

    What a bad image or the end leaves open has the index -1, or with `copy` shows the
    first images of the batch again.
    """
    count, here = jax.process_count(), jax.process_index()
    local, canvas = size // count, run.config["data"]["canvas"]
    mine = [rows[i + here * local :][:local] for i in range(0, len(rows), size)]
    read = data.batches(
        source, local, rows=np.concatenate(mine).tolist(), canvas=canvas
    )
    shapes = data.shapes(source, batch_size=local, canvas=canvas)
    empty = {k: np.zeros(s.shape, s.dtype) for k, s in shapes.items()}
    empty["index"] = np.full(local, -1, np.int32)
    sharding = batch_sharding(run.program.mesh)
    for _ in mine:
        batch = next(read, {})
        missing = local - len(batch.get("index", ()))
        if missing:
            more = batch if copy and batch else empty
            batch = {k: _filled(batch.get(k), more[k], missing) for k in empty}
        yield {
            k: jax.make_array_from_process_local_data(sharding, x)
            for k, x in batch.items()
        }


def _filled(x: np.ndarray | None, more: np.ndarray, missing: int) -> np.ndarray:
    rest = np.resize(more, (missing, *more.shape[1:]))
    return rest if x is None else np.concatenate([x, rest])


def _split(run, source, columns, names, fields) -> Split:
    index = columns["index"]
    return Split(
        outputs={name: columns[name] for name in names},
        index=index,
        labels=_labels(source, columns),
        class_names=source.class_names,
        fields={name: columns[name] for name in fields},
        images=images_of(run, source, index),
    )


def _labels(source: data.Source, columns: Mapping[str, Any]) -> np.ndarray | None:
    """None too where all are below 0, as sets mark images without a known label."""
    labels = columns.get("label") if source.class_names else None
    return None if labels is None or (labels < 0).all() else labels
