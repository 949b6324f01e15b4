"""Tasks on a network, on the one before training, and on raw pixels."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np

from sslax import data
from sslax.core import State
from sslax.evaluate.tasks import Results, Split, Task, attend
from sslax.kinds import Builder
from sslax.train.batch_outputs import PAIR, PIXELS
from sslax.train.checks import has_pairs
from sslax.train.outputs import losses_of, outputs_of
from sslax.train.playing import Player, played, players
from sslax.train.run import Run
from sslax.train.samples import sampled, spaced

__all__ = ["Reading", "ask", "numbers_of", "read_network", "read_pixels"]

# Rows whose features are read for pictures, where no task reads any.
_POINTS = 2000


class _Asked(NamedTuple):
    """What is read: tasks and data, and how outputs are computed.

    Attributes:
      run: the run.
      tasks: by name.
      sources: by split; the last one is judged.
      outputs: `(names, fields) -> ` what `outputs_of` gives, compiled once.
      losses: `(objective) -> ` what `losses_of` gives, compiled once.
      pairs: whether features of training views are among the outputs.
      notes: on what is left out.
      players: of the tasks that judge episodes, compiled once.
    """

    run: Run
    tasks: Mapping[str, Task]
    sources: Mapping[str, data.Source]
    outputs: Callable[..., Callable[..., Split]]
    losses: Callable[..., Callable[..., np.ndarray]]
    pairs: bool
    notes: tuple[str, ...]
    players: Mapping[str, Player]


class Reading(NamedTuple):
    """What tasks found of one network, or of pixels.

    Attributes:
      found: results by task.
      splits: features by split, for pictures; none of pixels.
      images: how many images each task has read, by task and split.
    """

    found: Mapping[str, Results]
    splits: Mapping[str, Split]
    images: Mapping[tuple[str, str], int]


def ask(
    run: Run, tasks: Mapping[str, Task], sources: Mapping[str, data.Source]
) -> _Asked:
    """Prepares tasks: nothing is computed yet.

    Args:
      run: the run.
      tasks: by name; methods with the output "attention" get `attend` as well.
      sources: by split.

    Returns:
      What `read_network` and `read_pixels` take.
    """
    tasks, notes = dict(tasks), ()
    if "attention" in run.program.method.outputs:
        tasks.setdefault("attend", attend())
    wanted = any(PAIR in task.wants for task in tasks.values())
    pairs = wanted and has_pairs(run)
    if wanted and not pairs:
        notes = (
            "alignment is left out: training shows something else than images that "
            "features can be read of",
        )

    alters = _alters(tasks)

    def outputs(names: tuple[str, ...], fields: tuple[str, ...]):
        return outputs_of(run, names, fields=fields, alters=alters)

    return _Asked(
        run=run,
        tasks=tasks,
        sources=sources,
        outputs=functools.lru_cache(maxsize=None)(outputs),
        losses=functools.lru_cache(maxsize=None)(functools.partial(losses_of, run)),
        pairs=pairs,
        notes=notes,
        players=players(run, tasks),
    )


def _alters(tasks: Mapping[str, Task]) -> dict[str, Builder]:
    return {kind: f for task in tasks.values() for kind, f in task.alters.items()}


def read_network(
    asked: _Asked,
    state: State,
    name: str,
    *,
    pairs: bool = True,
    sample: bool = False,
) -> Reading:
    """Runs all tasks on one network.

    Outputs are computed once for each split, and for each sample of it that tasks name.

    Args:
      asked: from `ask`.
      state: the state of the network.
      name: of the network, to say what is being done.
      pairs: read features of training views too, where they can be.
      sample: read images of a split whose outputs take 1 GiB, evenly spaced.

    Returns:
      Results and features.
    """
    found: dict[str, Results] = {}
    for task, player in asked.players.items():
        with said(f"{name}: playing"):
            splits = played(player, state)
        found |= _run(asked, {task: asked.tasks[task]}, splits, name)
    others = {k: t for k, t in asked.tasks.items() if k not in asked.players}
    asked = asked._replace(tasks=others, pairs=asked.pairs and pairs)
    features: dict[str, Split] = {}
    images: dict[tuple[str, str], int] = {}
    sizes = {k: _size(asked, task) for k, task in asked.tasks.items()}
    for examples in dict.fromkeys(sizes.values()):
        group = {k: t for k, t in asked.tasks.items() if sizes[k] == examples}
        splits = _splits(asked, state, group, examples, name, sample=sample)
        counts = {split: len(read.index) for split, read in splits.items()}
        images |= {(k, split): n for k in group for split, n in counts.items()}
        there = [k for k, s in splits.items() if "features" in s.outputs]
        if not features and there == list(asked.sources):
            features = splits
        found |= _run(asked, group, splits, name)
    if not features:
        plain = {"": Task(needs=("features",), run=lambda *_: Results())}
        features = _splits(asked, state, plain, _POINTS, name)
    return Reading(found, features, images)


def _size(asked: _Asked, task: Task) -> int | None:
    """How many examples of a split a task reads; None is all of every split."""
    longest = max(map(len, asked.sources.values()))
    return None if (task.examples or longest) >= longest else task.examples


def _run(asked: _Asked, group, splits, name: str) -> dict[str, Results]:
    found = {}
    for task_name, task in group.items():
        with said(f"{name}: {task_name}"):
            own = {k: s for k, s in splits.items() if k in task.splits}
            key = jax.random.key(asked.run.config["seed"])
            found[task_name] = task.run(own or splits, key)
    return found


def _splits(
    asked: _Asked, state: State, group, examples, name, *, sample: bool = False
) -> dict[str, Split]:
    """Outputs of every split that the tasks of a group read."""
    made, judged = {}, list(asked.sources)[-1]
    for split, source in asked.sources.items():
        readers = [t for t in group.values() if split in t.splits]
        if split == judged:
            readers = list(group.values())
        if not readers:
            continue
        names, fields = _wanted(asked, readers, judging=split == judged)
        if "text" not in source.fields:  # a split may have no captions
            names.discard("text")
        own = tuple(sorted(n for n in names if not n.startswith("loss/")))
        most = sampled(asked.run, source, own, _alters(asked.tasks)) if sample else None
        rows = spaced(len(source), min(examples or len(source), most or len(source)))
        listed = ", ".join(sorted(names)) or "labels"
        with said(f"{name}: {listed} of {len(rows):,} images of {split}"):
            outputs = asked.outputs(own, fields)(state, source, rows=rows)
            losses = {
                n: asked.losses(n.split("/", 1)[1])(state, source, rows=rows)
                for n in names.difference(own)
            }
        made[split] = outputs._replace(outputs={**outputs.outputs, **losses})
    return made


def _wanted(
    asked: _Asked, readers: list[Task], *, judging: bool
) -> tuple[set[str], tuple[str, ...]]:
    """Names of outputs and fields that tasks read of a split."""
    there = {*asked.run.program.method.outputs} | ({PAIR} if asked.pairs else set())
    kinds = {kind for task in readers for kind in task.alters}
    there |= {f"{kind}/{name}" for kind in kinds for name in there - {PAIR}}
    names = {n for task in readers for n in task.needs}
    if judging:
        names |= {n for task in readers for n in task.wants if n in there}
    return names, tuple(sorted({f for task in readers for f in task.fields}))


def read_pixels(asked: _Asked, state: State) -> Reading:
    """Runs the tasks that read features or maps on pixels in their place.

    Args:
      asked: from `ask`.
      state: any state; it is not read.

    Returns:
      Results; of a split whose pixels take more than 1 GiB those of a sample.
    """
    found: dict[str, Results] = {}
    images: dict[tuple[str, str], int] = {}
    for task_name, task in asked.tasks.items():
        if not set(task.needs) <= {"features", "map"}:
            continue
        splits = {}
        for split, source in asked.sources.items():
            if split not in task.splits and split != list(asked.sources)[-1]:
                continue
            most = sampled(asked.run, source, (PIXELS,))
            rows = spaced(len(source), min(most, task.examples or most))
            with said(f"raw pixels: {len(rows):,} images of {split}"):
                names = (PIXELS, *(f"{kind}/{PIXELS}" for kind in task.alters))
                read = asked.outputs(names, task.fields)
                seen = read(state, source, rows=rows)
            images[task_name, split] = len(seen.index)
            splits[split] = seen._replace(outputs=_as_outputs(seen.outputs))
        found |= _run(asked, {task_name: task}, splits, "raw pixels")
    return Reading(found, {}, images)


def _as_outputs(pixels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Pixels, and those of altered images, under the names of a network's outputs."""
    made = {}
    for name, x in pixels.items():
        kind = name.removesuffix(PIXELS)
        made[f"{kind}features"], made[f"{kind}map"] = x.reshape(len(x), -1), x
    return made


def numbers_of(found: Mapping[str, Results]) -> dict[str, float]:
    """The numbers of all tasks in one row.

    Args:
      found: results by task.

    Returns:
      Numbers by name; of two that share a name the second is preceded by its task's.
    """
    numbers: dict[str, float] = {}
    for task, results in found.items():
        for name, value in results.numbers.items():
            numbers[f"{task} {name}" if name in numbers else name] = float(value)
    return numbers


@contextlib.contextmanager
def said(what: str) -> Iterator[None]:
    """Says on process 0 what is being done, and how long it took.

    Args:
      what: what is done.

    Yields:
      Nothing.
    """
    first, began = jax.process_index() == 0, time.monotonic()
    if first:
        print(f"evaluating {what} ...", end="", file=sys.stderr, flush=True)
    yield
    if first:
        print(f" {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
