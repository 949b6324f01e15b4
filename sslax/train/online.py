"""Evaluation while a run goes on, on a fixed random part of the training data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from sslax import calls, data
from sslax.core import State
from sslax.evaluate.tasks import Task
from sslax.train.checks import tasks_of
from sslax.train.outputs import losses_of, outputs_of
from sslax.train.playing import played, players
from sslax.train.readings import numbers_of
from sslax.train.run import Run, open_source

__all__ = ["best_number", "online_evaluation"]


def best_number(config: Mapping[str, Any]) -> str | None:
    """The number that tells the best checkpoint: that of the first task that has one.

    Args:
      config: the resolved config.

    Returns:
      Its name, or None where nothing is evaluated during training.
    """
    if not config["evaluate"]["every"]:
        return None
    tasks = tasks_of(config, "online").values()
    return next((task.best for task in tasks if task.best), None)


def online_evaluation(run: Run) -> Callable[[State], dict[str, float]]:
    """Prepares the evaluation that a config asks for during training.

    A part of the training images is drawn by the seed and kept in memory: at most
    `evaluate.online_examples` to learn from, and a quarter as many to judge on. The
    test images are not touched, so that the best checkpoint is not chosen by them. With
    `evaluate.held_out`, data that are not trained on, these judge.

    Args:
      run: the run.

    Returns:
      `state -> numbers` of the tasks in `evaluate.online`.

    Raises:
      ValueError: if a task is wrong, or the data are not there.
    """
    config = run.config
    tasks = tasks_of(config, "online")
    acting = players(run, tasks)
    reading = {k: task for k, task in tasks.items() if k not in acting}
    parts = _parts(run) if reading else {}
    read, made = {}, {}
    for name, (source, _) in parts.items():
        if readers := [task for task in reading.values() if name in task.splits]:
            judging = name == "test" and "text" in source.fields
            outputs, fields = wanted = _wanted(run, readers, captions=judging)
            if wanted not in made:  # two splits of which the same is read
                made[wanted] = outputs_of(run, outputs, fields=fields)
            read[name] = made[wanted]
    names = {n for task in reading.values() for n in task.needs}
    losses = {
        n: losses_of(run, n[len("loss/") :]) for n in names if n.startswith("loss/")
    }

    def evaluated(state: State) -> dict[str, float]:
        splits = {}
        for name, outputs in read.items():
            source, rows = parts[name]
            split = outputs(state, source, rows=rows)
            if name == "test":
                more = {n: f(state, source, rows=rows) for n, f in losses.items()}
                split = split._replace(outputs={**split.outputs, **more})
            splits[name] = split
        key = jax.random.key(config["seed"])
        found = {}
        for name, task in reading.items():
            own = {k: split for k, split in splits.items() if k in task.splits}
            found[name] = task.run(own, key)
        for name, player in acting.items():
            found[name] = tasks[name].run(played(player, state), key)
        return numbers_of({name: found[name] for name in tasks})

    return evaluated


def _wanted(
    run: Run, tasks: Sequence[Task], *, captions: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Outputs and fields that tasks need; of captions what they want, too."""
    names = {n for task in tasks for n in task.needs if not n.startswith("loss/")}
    wanted, pair = {n for task in tasks for n in task.wants}, {"image", "text"}
    there = wanted & {*run.program.method.outputs}
    if captions and pair <= there:
        names |= pair
    fields = {f for task in tasks for f in task.fields}
    return tuple(sorted(names)), tuple(sorted(fields))


def _parts(run: Run) -> dict[str, tuple[data.Source, np.ndarray]]:
    """What is learnt from and what judges: sources in memory, and rows of them."""
    config, most = run.config, run.config["evaluate"]["online_examples"]
    train = open_source(config, "train", run.tokenizer)
    held_out = config["evaluate"]["held_out"]
    if held_out:
        other = calls.build(held_out, data.Source)
        if run.tokenizer is not None and other.captions is not None:
            other = data.tokenized(of=other, tokenizer=run.tokenizer)
        data.check_classes(train, other)
        sources = _drawn(config, train, most), _drawn(config, other, max(1, most // 4))
        named = zip(("train", "test"), sources, strict=True)
        return {name: (source, np.arange(len(source))) for name, source in named}
    drawn = _drawn(config, train, most + most // 4)
    order = np.random.default_rng(config["seed"]).permutation(len(drawn))
    judges = max(1, len(drawn) // 5)
    return {
        "train": (drawn, np.sort(order[judges:])),
        "test": (drawn, np.sort(order[:judges])),
    }


def _drawn(config: Mapping[str, Any], source: data.Source, count: int) -> data.Source:
    share = min(1.0, count / len(source))
    drawn = data.subset(of=source, fraction=share, seed=config["seed"])
    return data.in_memory(drawn, canvas=config["data"]["canvas"])
