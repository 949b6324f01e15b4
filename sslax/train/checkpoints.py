"""Checkpoints: asynchronous, atomic, the last few and the best, the config inside."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp
from absl import logging
from etils import epath

from sslax.core import State
from sslax.train.best import best_one
from sslax.train.storage import is_outside
from sslax.train.together import from_first, gathered
from sslax.train.workdir import absolute

__all__ = [
    "as_dict",
    "latest_step",
    "open_checkpoints",
    "restore",
    "restore_latest",
    "save",
]


def open_checkpoints(
    folder, *, keep: int = 3, best: str | None = None, read_only=False
):
    """Opens the checkpoints of a run.

    Args:
      folder: the folder of the run.
      keep: how many of the newest are kept.
      best: a metric, the larger the better, whose best checkpoint is kept as well.
      read_only: open without making or cleaning anything.

    Returns:
      An Orbax `CheckpointManager`; close it in the end.
    """
    policies = ocp.checkpoint_managers
    preserve: list[Any] = [policies.LatestN(keep)]
    if best:
        preserve.append(best_one(folder, best))
    options = ocp.CheckpointManagerOptions(
        preservation_policy=policies.AnyPreservationPolicy(preserve),
        read_only=read_only,
        create=not read_only,
        cleanup_tmp_directories=not read_only,
    )
    # Named handlers, so that the types of a checkpoint can be read before it is.
    handlers = {
        "state": ocp.StandardCheckpointHandler(),
        "config": ocp.JsonCheckpointHandler(),
    }
    return ocp.CheckpointManager(
        absolute(folder) / "checkpoints", options=options, item_handlers=handlers
    )


def save(
    manager, state: State, config: Mapping[str, Any], metrics: Mapping[str, Any] | None
):
    """Starts to save a state under its step number; returns before it is on disk.

    Args:
      manager: from `open_checkpoints`.
      state: the state.
      config: the resolved config, saved beside it.
      metrics: numbers that choose the best, None where there are none yet.
    """
    step = int(state.step)
    if step in manager.all_steps():
        return
    manager.save(
        step,
        args=ocp.args.Composite(
            state=ocp.args.StandardSave(as_dict(state)),
            config=ocp.args.JsonSave(json.loads(json.dumps(config))),
        ),
        metrics=None if metrics is None else dict(metrics),
        force=True,
    )


def latest_step(manager) -> int | None:
    """The newest step with a checkpoint.

    Args:
      manager: from `open_checkpoints`.

    Returns:
      The step, or None.
    """
    return max(manager.all_steps(), default=None)


def restore(manager, step: int, target: State) -> State:
    """Restores one checkpoint onto the devices and shardings of a target.

    Args:
      manager: from `open_checkpoints`.
      step: which.
      target: `jax.ShapeDtypeStruct` leaves with shardings, on any number of devices.

    Returns:
      The state.

    Raises:
      ValueError: if the checkpoint holds other arrays than the target: other names,
        shapes, or types (which Orbax would cast without a word); or if it is damaged.
      OSError: if it cannot be reached.
    """
    wanted = as_dict(target)
    found = _try(manager, step, wanted, lambda step: "")
    if isinstance(found, str):
        raise ValueError(
            f"checkpoint {step} of {manager.directory} cannot be restored: {found}"
        )
    return found


def restore_latest(
    manager, target: State, *, beside: Callable[[int], str] = lambda step: ""
) -> State | None:
    """Restores the newest checkpoint that can be read.

    A newest one that is damaged is moved aside, loudly, and the one before is taken.
    What is damaged for one process is damaged for all.

    Args:
      manager: from `open_checkpoints`.
      target: `jax.ShapeDtypeStruct` leaves with shardings.
      beside: reads what stands beside the checkpoint of a step, once this is read; says
        what is damaged there, or nothing.

    Returns:
      The state, or None where there is no checkpoint.

    Raises:
      ValueError: if there are checkpoints and none can be read, or one that can holds
        other arrays than the target.
      OSError: if the checkpoints cannot be reached, which is not damage.
    """
    wanted = as_dict(target)
    steps = from_first(lambda: sorted(manager.all_steps(), reverse=True))
    for step in steps:
        found = _try(manager, step, wanted, beside)
        if not isinstance(found, str):
            return found
        if step == steps[-1]:
            raise ValueError(
                f"no checkpoint in {manager.directory} can be restored; the last one "
                f"tried, step {step}, failed with: {found}"
            )
        logging.error(
            "checkpoint %s of %s cannot be restored (%s); falling back to the one "
            "before. The damaged one is kept under damaged/",
            step,
            manager.directory,
            found,
        )
        _move_aside(manager, step)
    return None


def as_dict(state: State) -> dict[str, Any]:
    """A state as it is stored.

    Args:
      state: arrays, or their shapes.

    Returns:
      Its fields by name.
    """
    return {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}


def _try(
    manager, step: int, wanted: dict[str, Any], beside: Callable[[int], str]
) -> State | str:
    """The state of a checkpoint, or what is damaged in it."""
    item = epath.Path(manager.directory) / str(step) / "state"
    damage = from_first(lambda: _damage(manager, item, step, wanted))
    if damage:
        return damage
    state: dict[str, Any] = {}
    try:
        state = _read(item, wanted)
    except Exception as error:
        damage, unreachable = _told(error), error if is_outside(error) else None
    else:
        damage, unreachable = beside(step), None
    told = gathered(f"outside {damage}" if unreachable else damage)
    if unreachable:
        raise unreachable
    if others := [text for text in told if text.startswith("outside ")]:
        raise OSError(f"another process cannot read {item}: {others[0][8:]}")
    bad = next((text for text in told if text), "")
    return bad or State(**state)


def _damage(manager, item, step: int, wanted: dict[str, Any]) -> str:
    """What is broken in the description of a checkpoint's arrays, or nothing."""
    try:
        metadata = ocp.StandardCheckpointHandler().metadata(item)
        stored = _arrays(getattr(metadata, "tree", metadata))
    except Exception as error:
        if is_outside(error):
            raise
        return _told(error)
    if not stored:
        return f"{item} does not say which arrays it holds"
    run = _arrays(wanted)
    differences = [
        f"{name}: the checkpoint has {stored.get(name, 'nothing')}, the run wants "
        f"{run.get(name, 'nothing')}"
        for name in sorted(stored.keys() | run.keys())
        if stored.get(name) != run.get(name)
    ]
    if differences:
        listed = "\n  ".join(differences[:5])
        raise ValueError(
            f"checkpoint {step} of {manager.directory} is of another run:\n  {listed}"
        )
    return ""


def _read(item, wanted: dict[str, Any]) -> dict[str, Any]:
    # The handler alone: Orbax's manager ends a read with a barrier, at which all would
    # wait for the one process that could not read.
    return ocp.StandardCheckpointHandler().restore(
        item, args=ocp.args.StandardRestore(wanted)
    )


def _told(error: Exception) -> str:
    return str(error).splitlines()[0][:500] if str(error) else repr(error)


def _arrays(tree: Any) -> dict[str, str]:
    """Type and shape of every array, by its path."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): (
            f"{leaf.dtype}{list(leaf.shape)}"
        )
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _move_aside(manager, step: int) -> None:
    source = epath.Path(manager.directory) / str(step)
    damaged = epath.Path(manager.directory).parent / "damaged"

    def move() -> None:
        damaged.mkdir(parents=True, exist_ok=True)
        taken = {path.name for path in damaged.iterdir()}
        names = (f"{step}.{i}" if i else str(step) for i in itertools.count())
        source.rename(damaged / next(name for name in names if name not in taken))

    from_first(move)
    manager.reload()
