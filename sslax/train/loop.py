"""The loop: one for every method."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from absl import logging

from sslax import data
from sslax.core import State
from sslax.sharding import batch_sharding
from sslax.train import checkpoints, writers
from sslax.train.finite import not_finite
from sslax.train.online import online_evaluation
from sslax.train.progress import progress
from sslax.train.run import Run, build_run
from sslax.train.signals import stop_requests
from sslax.train.workdir import open_workdir, record_config

__all__ = ["first_state", "pretrain"]


def pretrain(
    config: Mapping[str, Any], workdir: str, *, allow_config_change: bool = False
) -> tuple[Run, State]:
    """Pretrains, from the newest checkpoint of the folder if there is one.

    Batches and randomness follow from the seed and the step, so that a run that was cut
    off and goes on ends with the same parameters, bit for bit.

    Args:
      config: the resolved config, plain values.
      workdir: the folder of the run.
      allow_config_change: go on in a folder of another config.

    Returns:
      The run and its last state; `state.step` is less than the config's steps if
      the run was asked to stop.

    Raises:
      ValueError: if the config, the data or the folder is not usable.
      FloatingPointError: if a loss is not finite; the message has the step and the last
        good checkpoint.
    """
    folder = open_workdir(workdir, config, allow_config_change=allow_config_change)
    run = build_run(config)
    manager = checkpoints.open_checkpoints(
        folder,
        keep=config["checkpoint"]["keep"],
        best="knn" if config["evaluate"]["every"] else None,
    )
    try:
        state = checkpoints.restore_latest(manager, run.program.shapes)
        if state is None:
            state = first_state(run)
        else:
            logging.info("going on from step %d of %s", int(state.step), folder)
        record_config(folder, config)  # not before the run is known to start
        writer = _writer(folder, int(state.step))
        try:
            with stop_requests() as stop:
                state = _train(run, state, manager, writer, stop)
        finally:
            writer.close()
        manager.wait_until_finished()
    finally:
        manager.close()
    return run, state


def first_state(run: Run) -> State:
    """The state before the first step, that of the random network.

    Args:
      run: the run.

    Returns:
      The state, the same at every call.
    """
    batches = iter([run.loader.batch(0)])
    batch = next(data.to_device(batches, batch_sharding(run.program.mesh)))
    return run.program.init(batch, _key(run, 0))


def _key(run: Run, purpose: int) -> jax.Array:
    """Keys of one seed: 0 for the first state, 1 for the steps."""
    return jax.random.fold_in(jax.random.key(run.config["seed"]), purpose)


def _writer(folder, start: int) -> writers.Writer:
    if jax.process_index() != 0:
        return writers.silent()
    return writers.both(
        writers.jsonl(folder / "metrics.jsonl", start=start),
        writers.tensorboard(folder / "tensorboard", start=start),
    )


def _train(run, state, manager, writer, stop) -> State:
    config = run.config
    steps, every = config["steps"], config["evaluate"]["every"]
    start = step = int(state.step)
    show = progress(
        steps, batch_size=config["batch_size"], show=jax.process_index() == 0
    )
    key, began, logged = _key(run, 1), time.monotonic(), start
    evaluate = online_evaluation(run) if every else None
    for batch in _device_batches(run, start):
        state, metrics = run.program.train_step(state, batch, key)
        step += config["steps_per_call"]
        asked, scalars = stop(step // config["steps_per_call"]), {}
        saving = asked or step == steps or _due(step, config["checkpoint"]["every"])
        evaluating = _due(step, every)
        if saving or evaluating or _due(step, config["log_every"]):
            scalars = _scalars(run, metrics, step, manager)
            now = time.monotonic()
            rate = (step - logged) * config["batch_size"] / (now - began)
            scalars |= {"images_per_second": rate, **_skipped(run)}
            began, logged = now, step
        if evaluating:
            scalars |= evaluate(state)
            began = time.monotonic()
        if scalars:
            writer.write(step, scalars)
            show(step, scalars)
        if saving:
            if bad := not_finite(state):
                shown = ", ".join(bad[:3]) + (", ..." if len(bad) > 3 else "")
                raise _stopped(manager, f"{shown} not finite after step {step}")
            knn = {"knn": scalars["knn"]} if "knn" in scalars else None
            checkpoints.save(manager, state, config, knn)
        if asked:
            logging.warning("asked to stop: saved step %d, run again to go on", step)
            break
    return state


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _device_batches(run: Run, start: int) -> Iterator[Any]:
    config = run.config
    calls = (config["steps"] - start) // config["steps_per_call"]
    batches = run.loader.iterate(start)
    if config["steps_per_call"] > 1:
        batches = _stacks(batches, config["steps_per_call"])
    sharding = batch_sharding(run.program.mesh, stacked=config["steps_per_call"] > 1)
    return itertools.islice(data.to_device(batches, sharding), calls)


def _stacks(batches: Iterator[Any], count: int) -> Iterator[Any]:
    while group := list(itertools.islice(batches, count)):
        yield jax.tree.map(lambda *x: np.stack(x), *group)


def _scalars(run, metrics, step: int, manager) -> dict[str, float]:
    """The newest numbers, of the objectives that ran at this step."""
    scalars = {}
    for name, value in metrics.items():
        objective = run.program.method.objectives[name.split("/")[0]]
        if (step - 1) % objective.every == 0:
            scalars[name] = float(np.asarray(value).reshape(-1)[-1])
    for name, value in scalars.items():
        if not math.isfinite(value):
            raise _stopped(manager, f"{name} is {value} at step {step}")
    rates = {
        f"{k}/learning_rate": float(rate(step - 1))
        for k, rate in run.program.rates.items()
    }
    return scalars | rates


def _stopped(manager, reason: str) -> FloatingPointError:
    last = checkpoints.latest_step(manager)
    return FloatingPointError(
        f"{reason}; the last good checkpoint is "
        f"{'none' if last is None else f'step {last}'} in {manager.directory}. "
        "A lower learning rate, a longer warm-up or a gradient clip may help."
    )


def _skipped(run: Run) -> dict[str, float]:
    count = run.loader.skipped
    return {"data/skipped": float(count)} if count else {}
