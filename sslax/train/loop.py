"""The loop: one for every method."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from absl import logging

from sslax import data
from sslax.core import State
from sslax.sharding import batch_sharding
from sslax.train import checkpoints, writers
from sslax.train.alone import alone
from sslax.train.broken_step import keep_broken_step
from sslax.train.checks import check_evaluation
from sslax.train.finite import not_finite
from sslax.train.online import best_number, online_evaluation
from sslax.train.progress import announcement, progress, span
from sslax.train.run import Run, build_feed, build_run, key_of, open_source
from sslax.train.same_data import check_data, record_data
from sslax.train.signals import stop_requests
from sslax.train.start import Graft, graft, grafts_of
from sslax.train.storage import faults
from sslax.train.stored import stored
from sslax.train.texts import record_tokenizer
from sslax.train.workdir import open_workdir, record_config

__all__ = ["first_state", "pretrain", "steps", "train"]


def pretrain(
    config: Mapping[str, Any],
    workdir: str,
    *,
    allow_config_change: bool = False,
    runs: Mapping[str, str] | None = None,
) -> tuple[Run, State]:
    """Pretrains, from the newest checkpoint of the folder if there is one.

    Args:
      config: the resolved config, plain values.
      workdir: the folder of the run.
      allow_config_change: go on in a folder of another config.
      runs: folders by the names that `config.start` may have for them.

    Returns:
      The run and its last state; `state.step` is less than the config's steps if the
      run was asked to stop.

    Raises:
      ValueError: if the config, the data or the folder is not usable.
      OSError: if the disk is full or does not answer.
      FloatingPointError: if a loss is not finite; the message has the step and the last
        good checkpoint.
    """
    if config.get("wandb"):
        writers.check_wandb()
    grafts = grafts_of(config, runs)
    folder = open_workdir(workdir, config, allow_config_change=allow_config_change)
    with alone(folder):
        if config["data"].get("tokenizer"):
            record_tokenizer(config, open_source(config, "train"), folder)
        run = build_run(config, folder)
        check_data(folder, run.loader.source, allow=allow_config_change)
        for line in check_evaluation(run):
            logging.warning(line)
        with faults():
            return run, train(run, folder, grafts=grafts)


def train(run: Run, folder: Any, *, grafts: Sequence[Graft] = ()) -> State:
    """Trains a run in its folder, with logs and checkpoints, from the newest of these.

    Batches and randomness follow from the seed and the step, so that a run that was cut
    off and goes on ends with the same parameters, bit for bit.

    Args:
      run: the run.
      folder: an existing folder, a path of `etils.epath`.
      grafts: what the first state takes from other runs; a checkpoint has it already.

    Returns:
      The last state.

    Raises:
      ValueError: if what is grafted is not there or does not fit.
      FloatingPointError: if a loss is not finite.
    """
    config = run.config
    manager = checkpoints.open_checkpoints(
        folder,
        keep=config["checkpoint"]["keep"],
        best=best_number(config),
    )
    broken = ""
    try:
        state = _begun(run, folder, manager, grafts)
        record_config(folder, config)  # not before the run is known to start
        record_data(folder, run.loader.source)
        writer = _writer(run, folder, int(state.step))
        try:
            with stop_requests() as stop:
                state = _train(run, state, folder, manager, writer, stop)
        except FloatingPointError as error:
            broken = str(error)  # alone: the frames of the error hold the state
            logging.info("%s", broken)  # who does not wait for the rest has read it
        finally:
            writer.close()
        manager.wait_until_finished()
        if broken:

            def again() -> tuple[Run, State]:
                feed = build_feed(config, run.loader, run.program)
                fresh = run._replace(feed=feed)
                return fresh, _begun(fresh, folder, manager, grafts)

            raise FloatingPointError(f"{broken} {keep_broken_step(again, folder)}")
    finally:
        manager.close()
    return state


def steps(
    run: Run, state: State, *, stop: int | None = None
) -> Iterator[tuple[int, State, Mapping[str, Any]]]:
    """Turns the loop: no files, no logs.

    Args:
      run: the run.
      state: where to begin; it is donated, as is every state to the step after it.
      stop: the step to end with; that of the config by default.

    Yields:
      After every call of the train step: the number of steps done, the state, and the
      metrics on the devices, with an axis of steps if a call does several.
    """
    key, count = key_of(run.config, 1), run.config["steps_per_call"]
    step, newest = int(state.step), [state]
    stop = run.config["steps"] if stop is None else stop
    batches = run.feed.batches(step, lambda: newest[0])
    for batch in itertools.islice(batches, max(0, stop - step) // count):
        newest[0], metrics = run.program.train_step(newest[0], batch, key)
        step += count
        yield step, newest[0], metrics


def first_state(run: Run) -> State:
    """The state before the first step, that of the random network.

    Args:
      run: the run.

    Returns:
      The state, the same at every call.
    """
    batches = iter([run.loader.batch(0)])
    batch = next(data.to_device(batches, batch_sharding(run.program.mesh)))
    return run.program.init(batch, key_of(run.config, 0))


def _begun(run: Run, folder, manager, grafts: Sequence[Graft]) -> State:
    """The newest checkpoint and what its feed has saved, or the first state."""
    beside = partial(_restored_feed, run, folder)
    state = checkpoints.restore_latest(manager, run.program.shapes, beside=beside)
    if state is not None:
        logging.info("going on from step %d of %s", int(state.step), folder)
        return state
    for one in grafts:
        stored(one.run)  # complains before anything is compiled
    return graft(first_state(run), grafts, given=run.program.method.given)


def _restored_feed(run: Run, folder, step: int) -> str:
    """What is damaged of the feed at a step, or nothing."""
    restore = run.feed.restore
    return "" if restore is None else restore(folder / "feed" / str(step))


def _writer(run: Run, folder, start: int) -> writers.Writer:
    if jax.process_index() != 0:
        return writers.silent()
    project = run.config.get("wandb")
    own = [writers.wandb(folder, project=project, config=run.config)] if project else []
    return writers.both(
        writers.jsonl(folder / "metrics.jsonl", start=start),
        writers.tensorboard(folder / "tensorboard", start=start),
        *own,
    )


def _train(run, start, folder, manager, writer, stop) -> State:
    config, state = run.config, start
    every, last = config["evaluate"]["every"], config["steps"]
    logged = int(start.step)
    show = progress(
        last, batch_size=config["batch_size"], show=jax.process_index() == 0
    )
    logging.info(announcement(run, logged))
    began, newest = time.monotonic(), None
    evaluate = online_evaluation(run) if every else None
    for step, state, metrics in steps(run, start):
        if newest is None:
            jax.block_until_ready(metrics)
            logging.info("step %d after %s", step, span(time.monotonic() - began))
            newest = _before(folder, logged, metrics)
        newest |= _ran(run, metrics, step)
        asked, scalars = stop(step // config["steps_per_call"]), {}
        evaluating = _due(step, every)
        # What was evaluated is saved, or the best could not be kept.
        saving = asked or step == last or evaluating
        saving |= _due(step, config["checkpoint"]["every"])
        if saving or evaluating or _due(step, config["log_every"]):
            scalars = _scalars(run, newest, step, manager)
            now = time.monotonic()
            rate = (step - logged) * config["batch_size"] / (now - began)
            scalars |= {"images_per_second": rate, **_skipped(run)}
            scalars |= run.feed.scalars()
            began, logged = now, step
        if evaluating:
            scalars |= evaluate(state)
            began = time.monotonic()
        if scalars:
            writer.write(step, scalars)
            show(step, scalars)
        if saving:
            _save(run, state, folder, manager, scalars)
        if asked:
            logging.warning("asked to stop: saved step %d, run again to go on", step)
            break
    return state


def _save(run, state, folder, manager, scalars) -> None:
    if bad := not_finite(state):
        shown = ", ".join(bad[:3]) + (", ..." if len(bad) > 3 else "")
        raise _stopped(manager, f"{shown} not finite after step {int(state.step)}")
    best = best_number(run.config)
    judged = {best: scalars[best]} if best in scalars else None
    if run.feed.save is not None:
        run.feed.save(folder / "feed" / str(int(state.step)))
    checkpoints.save(manager, state, run.config, judged)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _ran(run, metrics, step: int) -> dict[str, tuple[Any, int]]:
    """Metrics of the objectives that ran in this call, and where in it they ran last.

    Objectives that rest at most steps are seen too, whatever the steps of the log.
    """
    count, ran = run.config["steps_per_call"], {}
    for name, value in metrics.items():
        every = run.program.method.objectives[name.split("/")[0]].every
        last = (step - 1) // every * every - (step - count)
        if last >= 0:
            ran[name] = (value, last)
    return ran


def _before(folder, step: int, names) -> dict[str, tuple[Any, int]]:
    """The metrics of a row, for objectives that rest at the steps after it."""
    rows = writers.read_jsonl(folder / "metrics.jsonl")
    row = next((row for row in rows if row["step"] == step), {})
    return {name: (row[name], 0) for name in names if name in row}


def _scalars(run, newest, step: int, manager) -> dict[str, float]:
    """The newest number of every metric."""
    scalars = {
        name: float(np.asarray(value).reshape(-1)[last])
        for name, (value, last) in newest.items()
    }
    for name, value in scalars.items():
        if not math.isfinite(value):
            raise _stopped(manager, f"{name} is {value} at step {step}")
    rates = {k: float(rate(step - 1)) for k, rate in run.program.rates.items()}
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
