"""What an evaluation needs, checked before the first step and not after the last."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from sslax import calls, data, scratch
from sslax.evaluate.tasks import Task
from sslax.train.batch_outputs import PAIR, reading, view_count
from sslax.train.run import Run, open_source

__all__ = ["check_evaluation", "has_pairs", "open_splits", "tasks_of"]

# Features, their standardised and rotated copy, and what a fit holds beside them.
_COPIES = 3


def tasks_of(config: Mapping[str, Any], which: str = "tasks") -> dict[str, Task]:
    """The tasks that a config names.

    Args:
      config: the resolved config.
      which: "tasks", of the full evaluation, or "online".

    Returns:
      Tasks by name; a name that comes twice has a number.

    Raises:
      ValueError: if a call is wrong.
    """
    made: dict[str, Task] = {}
    for spec in config["evaluate"][which]:
        name = spec.get("name", "") if isinstance(spec, Mapping) else str(spec)
        again = sum(other.split(" ")[0] == name for other in made)
        task = calls.build(_call(spec, which), Task)
        made[f"{name} {again + 1}" if again else name] = task
    return made


def _call(spec: Any, which: str) -> Mapping[str, Any]:
    if not isinstance(spec, Mapping):
        raise ValueError(
            f"evaluate.{which} has {spec!r}; a task is dict(name={spec!r})"
        )
    return spec


def open_splits(run: Run) -> tuple[dict[str, data.Source], list[str]]:
    """The data that a full evaluation reads: "train", and "test" where there is one.

    Args:
      run: the run.

    Returns:
      Sources, in memory where the training data are, and sentences on what is missing.

    Raises:
      ValueError: if training and test labels mean different classes.
    """
    config, notes = run.config, []
    sources = {"train": open_source(config, "train", run.tokenizer)}
    if config["data"]["test"] or data.test_of(config["data"]["train"]):
        sources["test"] = open_source(config, "test", run.tokenizer)
        data.check_classes(sources["train"], sources["test"])
    else:
        notes.append(
            "there is no test split: no kNN and no probes; give --config.data.test= "
            "or train on a part of the data, such as --config.data.train=NAME[:90%]"
        )
    for name, source in sources.items():
        if source.num_classes is None:
            notes.append(f"{source.name} ({name}) has no labels: no kNN and no probes")
    return sources, notes


def check_evaluation(run: Run) -> list[str]:
    """Stops before training where an evaluation could not be done after it.

    Args:
      run: the run.

    Returns:
      Sentences on what an evaluation will leave out.

    Raises:
      ValueError: if a task is wrong, the method or the data lack what one needs,
        outputs cannot be computed of the evaluation views, or they do not fit into
        memory.
    """
    e, notes = run.config["evaluate"], []
    full = tasks_of(run.config) if e["final"] else {}
    online = tasks_of(run.config, "online") if e["every"] else {}
    if not full and not online:
        return notes
    sources, notes = open_splits(run)
    for name, task in {**online, **full}.items():
        _check_task(run, name, task, sources)
    reading = {k: t for k, t in {**online, **full}.items() if t.environment is None}
    names = {n for task in reading.values() for n in task.needs}
    shapes = _shapes(run, [n for n in names if "/" not in n])
    if full:
        _check_memory(full, shapes, sources)
    return notes


def _check_task(run: Run, name: str, task: Task, sources: Mapping[str, Any]) -> None:
    method = run.program.method
    known = {*method.outputs, *(f"loss/{o}" for o in method.objectives), PAIR}
    for needed in task.needs:
        if view_count(needed):
            if not has_pairs(run):
                raise ValueError(
                    f"the task {name} needs features of training views, and training "
                    "shows something else than images that features can be read of"
                )
        elif needed not in known:
            raise ValueError(
                f"the task {name} needs the output {needed!r}, which "
                f"{run.config['method']['name']} has not: "
                f"{calls.nearest(needed, known - {PAIR})}"
            )
    if task.texts and run.tokenizer is None:
        raise ValueError(
            f"the task {name} has texts read, and there is nothing to make numbers of "
            "them: give the method's --config.data.tokenizer"
        )
    for field in task.fields:
        for source in sources.values():
            if field not in source.fields:
                raise ValueError(
                    f"the task {name} needs the field {field!r} of the data, and "
                    f"{source.name} has {', '.join(source.fields)}"
                )


def _shapes(run: Run, names: Sequence[str]) -> dict[str, Any]:
    """Shapes of outputs of a batch, without computing any."""
    state, batch = run.program.shapes, run.loader.shapes
    try:
        return jax.eval_shape(
            reading(run, names), state.params, state.extra, batch, jax.random.key(0)
        )
    except Exception as error:  # Flax and JAX have errors of their own
        raise ValueError(
            f"the outputs {sorted(names)} cannot be computed of the images that "
            f"evaluate.views makes: {error}"
        ) from error


def has_pairs(run: Run) -> bool:
    """Whether features can be read of training views, for the alignment of pairs.

    Args:
      run: the run.

    Returns:
      False where training shows something else than images, such as tiles.
    """
    state, batch = run.program.shapes, run.loader.shapes
    try:
        made = jax.eval_shape(
            reading(run, ["features", PAIR]),
            state.params,
            state.extra,
            batch,
            jax.random.key(0),
        )
    except Exception:  # whatever a network says of a shape that it cannot take
        return False
    b, d = made["features"].shape
    return made[PAIR].shape == (b, 2, d)


def _check_memory(tasks, shapes, sources) -> None:
    """Outputs of the network, each in memory or in a file, and the copies of fits."""
    held, written = 0, 0
    for split, name, size in _sizes(tasks, shapes, sources):
        if size <= scratch.LARGE:
            held += _COPIES * size
        else:  # a fit has one copy more of what it learns from
            written += size * (2 if (split, name) == ("train", "features") else 1)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    smaller = (
        "name a part of the data for it (evaluate.tasks with examples=, or "
        "--config.data.test=), or leave it out (--config.evaluate.final=False)"
    )
    if held > there:
        raise ValueError(
            f"the full evaluation would hold {held:,} bytes of outputs in the memory "
            f"of each host, which has {there:,}: {smaller}"
        )
    if written and written > (room := scratch.room())[1]:
        raise ValueError(
            f"the full evaluation would write {written:,} bytes of outputs to "
            f"{room[0]!r}, which has {room[1]:,} free: set TMPDIR to a folder with "
            f"room on each host, {smaller}"
        )


def _sizes(tasks, shapes, sources) -> Iterator[tuple[str, str, int]]:
    """Bytes of each output of each split, all rows of it that a task reads."""
    for split, source in sources.items():
        readers = [t for t in tasks.values() if split in t.splits]
        for name, shape in shapes.items():
            rows = [_rows(source, t) for t in readers if name in t.needs]
            each = shape.size // shape.shape[0] * 4
            yield split, name, max(rows, default=0) * each
        rows = [_rows(source, t) for t in readers if PAIR in t.wants]
        if rows and split == list(sources)[-1] and "features" in shapes:
            each = shapes["features"].size // shapes["features"].shape[0] * 4
            yield split, PAIR, 2 * max(rows) * each


def _rows(source, task: Task) -> int:
    return min(len(source), task.examples or len(source))
