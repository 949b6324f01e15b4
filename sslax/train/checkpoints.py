"""Checkpoints: asynchronous, atomic, the last few and the best, the config inside."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp
from absl import logging
from etils import epath

from sslax.core import State

__all__ = ["latest_step", "open_checkpoints", "restore", "restore_latest", "save"]


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
    preserve = [policies.LatestN(keep)]
    if best:
        preserve.append(
            policies.BestN(
                get_metric_fn=lambda metrics: metrics[best],
                n=1,
                keep_checkpoints_without_metrics=False,
            )
        )
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
        _folder(folder), options=options, item_handlers=handlers
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
            state=ocp.args.StandardSave(_as_dict(state)),
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
        shapes, or types (which Orbax would cast without a word).
    """
    wanted = _as_dict(target)
    differences = _differences(manager, step, wanted)
    if differences:
        listed = "\n  ".join(differences[:5])
        raise ValueError(
            f"checkpoint {step} of {manager.directory} is of another run:\n  {listed}"
        )
    return _read(manager, step, wanted)


def restore_latest(manager, target: State) -> State | None:
    """Restores the newest checkpoint that can be read.

    A newest one that is damaged is moved aside, loudly, and the one before is taken.

    Args:
      manager: from `open_checkpoints`.
      target: `jax.ShapeDtypeStruct` leaves with shardings.

    Returns:
      The state, or None where there is no checkpoint.

    Raises:
      ValueError: if there are checkpoints and none can be read, or one that can holds
        other arrays than the target.
    """
    steps = sorted(manager.all_steps(), reverse=True)
    for step in steps:
        try:
            wanted = _as_dict(target)
            differences = _differences(manager, step, wanted)
            state = None if differences else _read(manager, step, wanted)
        except Exception as error:
            if step == steps[-1]:
                raise ValueError(
                    f"no checkpoint in {manager.directory} can be restored; the last "
                    f"one tried, step {step}, failed with: {error}"
                ) from error
            logging.error(
                "checkpoint %s of %s cannot be restored (%s); falling back to the one "
                "before. The damaged one is kept under damaged/",
                step,
                manager.directory,
                error,
            )
            _move_aside(manager, step)
        else:
            return restore(manager, step, target) if state is None else state
    return None


def _read(manager, step: int, wanted: dict[str, Any]) -> State:
    restored = manager.restore(
        step, args=ocp.args.Composite(state=ocp.args.StandardRestore(wanted))
    )
    return State(**restored["state"])


def _folder(folder) -> epath.Path:
    path = epath.Path(folder) / "checkpoints"
    # Orbax wants absolute paths; a URL such as gs:// is one already.
    return path if "://" in str(path) else path.resolve()


def _as_dict(state: State) -> dict[str, Any]:
    return {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}


def _differences(manager, step: int, wanted: dict[str, Any]) -> list[str]:
    """What a checkpoint holds otherwise than wanted, a line an array."""
    metadata = manager.item_metadata(step)["state"]
    stored = _arrays(getattr(metadata, "tree", metadata))
    run = _arrays(wanted)
    return [
        f"{name}: the checkpoint has {stored.get(name, 'nothing')}, the run wants "
        f"{run.get(name, 'nothing')}"
        for name in sorted(stored.keys() | run.keys())
        if stored.get(name) != run.get(name)
    ]


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
    damaged.mkdir(parents=True, exist_ok=True)
    if jax.process_index() == 0 and source.exists():
        source.rename(damaged / str(step))
    manager.reload()
