"""The step that broke a run: kept to be done again, one operation at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from etils import epath

from sslax import sharding
from sslax.core import State
from sslax.program import build_program
from sslax.train.checkpoints import as_dict
from sslax.train.finite import not_finite
from sslax.train.origin import Origin
from sslax.train.run import Run, key_of
from sslax.train.stepwise import origins
from sslax.train.storage import faults
from sslax.train.together import from_first
from sslax.train.workdir import absolute

__all__ = ["Broken", "keep_broken_step", "replay_broken_step"]

_FOLDER, _CONFIG = "not_finite", "config.json"


class Broken(NamedTuple):
    """What a step that was done again has shown.

    Attributes:
      what: which step, "step 5", or "steps 5 to 6" where a call does several.
      origins: where it began, by what is not finite after it: metrics as "ssl/loss",
        and arrays of the state as "params/encoder/kernel".
    """

    what: str
    origins: Mapping[str, Origin]


def keep_broken_step(again: Callable[[], tuple[Run, State]], folder: Any) -> str:
    """Finds the step that broke a run, and keeps all that it takes to do it again.

    The run goes on from its newest checkpoint once more, bit for bit, now looking at
    every step; then a second time, up to that step: a copy of the state before every
    step would need memory that a run may not have.

    Args:
      again: gives the run and the state from which it goes on, at every call.
      folder: the folder of the run.

    Returns:
      A sentence on what was kept, or why nothing was.
    """
    try:
        with faults():
            return _found(again, folder)
    except (OSError, ValueError) as error:
        return f"Its step is not kept: {error}."


def replay_broken_step(workdir: str) -> Broken:
    """Does the step again that stopped a run, on one device, however many it had.

    Args:
      workdir: the folder of the run.

    Returns:
      What is not finite after it, and where that began.

    Raises:
      ValueError: if no step was kept there.
    """
    folder = epath.Path(workdir)
    file = folder / _FOLDER / _CONFIG
    if not file.exists():
        stages = sorted(
            p.parent.parent.name for p in folder.glob(f"*/{_FOLDER}/{_CONFIG}")
        )
        hint = f"; give that of one of {stages}" if stages else ""
        raise ValueError(
            f"workdir {workdir!r} has kept no step: no loss of it was nan or inf{hint}"
        )
    config = json.loads(file.read_text())
    mesh = sharding.make_mesh(devices=jax.local_devices()[:1])
    item, handler = folder / _FOLDER / "step", ocp.StandardCheckpointHandler()
    metadata = handler.metadata(item)
    stored = getattr(metadata, "tree", metadata)["batch"]
    stacked = config["steps_per_call"] > 1
    place = sharding.batch_sharding(mesh, stacked=stacked)

    def given(x):  # to a call
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place)

    def one(x):  # of the steps of a call
        return jax.ShapeDtypeStruct(x.shape[stacked:], x.dtype)

    program = build_program(config, mesh, jax.tree.map(one, stored))
    wanted = {"state": as_dict(program.shapes), "batch": jax.tree.map(given, stored)}
    kept = handler.restore(item, args=ocp.args.StandardRestore(wanted))
    state = State(**kept["state"])
    found = origins(program.train_step, state, kept["batch"], key_of(config, 1))
    # Of the pair that a step returns the metrics are told first.
    parts = [(*path.split("/", 1), origin) for path, origin in found.items()]
    parts.sort(key=lambda part: part[0], reverse=True)
    what = _steps_after(int(state.step), config)
    return Broken(what, {path: origin for _, path, origin in parts})


def _found(again: Callable[[], tuple[Run, State]], folder: Any) -> str:
    run, state = again()
    start = int(state.step)
    logging.info("looking for the first such step: from step %d on once more", start)
    before = _last_good(run, state)
    if before is None:
        return f"Done again from step {start}, it is finite: nothing is kept."
    run, state = again()
    key = key_of(run.config, 1)
    for step, batch, newest in _calls(run, state):
        if step == before:
            return _kept(run, newest[0], batch, folder)
        newest[0], _ = run.program.train_step(newest[0], batch, key)
    return f"Done again from step {start}, it ends early: nothing is kept."


def _calls(run: Run, state: State) -> Iterator[tuple[int, Any, list[State]]]:
    """Before every call of the step: steps done, its batch, and the state in a list.

    The call is made by whoever looks, who puts the state after it into the list.
    """
    step, newest = int(state.step), [state]
    del state  # else the first one would be held to the end
    for batch in run.feed.batches(step, lambda: newest[0]):
        if step >= run.config["steps"]:
            return
        yield step, batch, newest
        step += run.config["steps_per_call"]


def _last_good(run: Run, state: State) -> int | None:
    """The steps done before the call that breaks the run; None if none does."""
    key = key_of(run.config, 1)
    for step, batch, newest in _calls(run, state):
        newest[0], metrics = run.program.train_step(newest[0], batch, key)
        finite = all(np.isfinite(np.asarray(x)).all() for x in metrics.values())
        if not finite or not_finite(newest[0]):
            return step
    return None


def _kept(run: Run, state: State, batch: Any, folder: Any) -> str:
    """Writes the state before a call, its batch, and the config, over older ones."""
    place, config = absolute(folder) / _FOLDER, absolute(folder) / _FOLDER / _CONFIG
    what = _steps_after(int(state.step), run.config)
    with ocp.StandardCheckpointer() as checkpointer:
        from_first(lambda: config.unlink(missing_ok=True))
        tree = {"state": as_dict(state), "batch": batch}
        checkpointer.save(place / "step", tree, force=True)
    text = json.dumps(run.config, indent=2) + "\n"
    from_first(lambda: config.write_text(text))
    return (
        f"First not finite: {what}, which is kept; `sslax replay {folder}` says in "
        "which layer."
    )


def _steps_after(step: int, config: Mapping[str, Any]) -> str:
    count = config["steps_per_call"]
    return f"step {step + 1}" if count == 1 else f"steps {step + 1} to {step + count}"
