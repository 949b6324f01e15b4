"""A feed that acts with the newest state, and learns from what it has done before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from sslax.environments import Environment, advance, begin, renew
from sslax.program import Program
from sslax.sharding import batch_sharding
from sslax.train.feed import Feed, Feeder
from sslax.train.steps_done import (
    add_frame,
    add_step,
    empty,
    read_steps,
    sample,
    take_steps,
    write_steps,
)

__all__ = ["replay"]


def replay(
    *, environment: Environment, capacity: int = 100_000, start: int = 1_000
) -> Feeder:
    """Batches of steps that the method has done itself.

    First `start` steps are done at random. Then with every step of training one is done
    in the environment, its action drawn by the output "action" of the newest state, and
    a batch is drawn of the last `capacity` steps. All of them, and where the episode
    stands, are saved with a checkpoint: a run that was cut off goes on bit for bit. An
    environment of the host, whose state cannot be stored, goes on with a new episode.

    Args:
      environment: where the method acts.
      capacity: how many steps are kept.
      start: steps of chance before the first batch.

    Returns:
      `(config, loader, program) -> Feed`.

    Raises:
      ValueError: if the numbers do not fit; when the feed is made, if the method cannot
        act, batches differ from those of `data.train`, or there are several processes.
    """
    if not 1 < start <= capacity:
        raise ValueError(
            f"replay: start is {start} and capacity {capacity}; give 1 < start <= "
            "capacity"
        )

    def feeder(config, loader, program):
        _check(config, loader.shapes, program, environment)
        return _feed(environment, config, program, capacity=capacity, start=start)

    return feeder


class _Turn(NamedTuple):
    """What one step in the environment gives.

    Attributes:
      play: where the next step begins.
      action: what was done.
      reward: for it.
      ended: whether the episode has ended by itself.
      over: whether a new one has begun.
      frame: the picture after the step.
      first: the picture that the next step begins with.
    """

    play: Any
    action: Any
    reward: Any
    ended: Any
    over: Any
    frame: Any
    first: Any


def _feed(
    environment: Environment,
    config: Mapping[str, Any],
    program: Program,
    *,
    capacity: int,
    start: int,
) -> Feed:
    turns, count = _turns(environment, program), config["steps_per_call"]
    sharding = batch_sharding(program.mesh, stacked=count > 1)
    key = jax.random.fold_in(jax.random.key(config["seed"]), 2)
    done, now = empty(environment.size, environment.actions, capacity), {}

    def begun():
        now["play"] = begin(environment, jax.random.fold_in(key, 2**32 - 1))
        add_frame(done, now["play"].stack[..., -3:], time=0)

    def turn(which: str, *given):
        own = jax.random.fold_in(key, done["acted"])
        made = turns[which](now["play"], own, *given)
        now["play"] = made.play
        add_step(done, made)

    def batches(step: int, state: Callable[[], Any]):
        if not done["acted"]:
            begun()
        while done["acted"] < start:
            turn("chance")
        while True:
            batch = _drawn(done, config, environment.frames, step)
            newest = state()
            for _ in range(count):
                turn("policy", newest.params, newest.extra)
            step += count
            yield jax.device_put(batch, sharding)

    def save(folder):
        play = now["play"] if environment.compiled else ()
        # The newest whole checkpoint may be that of two saves ago.
        keep = max(3, config["checkpoint"]["keep"])
        write_steps(folder, done, jax.tree.leaves(play), keep=keep)

    def restore(folder):
        arrays = read_steps(folder)
        if isinstance(arrays, str):
            return arrays
        leaves = take_steps(done, arrays)
        begin_key = jax.random.fold_in(key, done["acted"])
        now["play"] = begin(environment, begin_key)
        if environment.compiled:
            tree = jax.tree.structure(now["play"])
            now["play"] = jax.tree.unflatten(tree, [jnp.asarray(x) for x in leaves])
            return ""
        logging.warning("%s goes on with a new episode", environment.name)
        add_frame(done, now["play"].stack[..., -3:], time=0)
        return ""

    def scalars():
        if not done["episodes"]:
            return {}
        last, count = done["last_return"], done["episodes"]
        return {"episode/return": float(last), "episode/count": float(count)}

    return Feed(batches, save, restore, scalars)


def _drawn(done, config: Mapping[str, Any], frames: int, step: int) -> dict[str, Any]:
    """The batches of one call of the train step, on a leading axis if several."""
    count, seed = config["steps_per_call"], config["seed"]
    batches = [
        sample(done, config["batch_size"], frames=frames, seed=(seed, step + i))
        for i in range(count)
    ]
    return batches[0] if count == 1 else jax.tree.map(_stacked, *batches)


def _stacked(*arrays):
    return np.stack(arrays)


def _turns(environment: Environment, program: Program) -> dict[str, Callable[..., Any]]:
    """One step by chance and one by the policy; compiled where that can be."""

    def act(stack, key, params, extra):
        seen = program.evaluation_views(key, {"image": stack[None]})
        output = program.method.outputs["action"]
        return output(params, extra, seen, key=key)[0]

    def chance(key):
        return jax.random.uniform(key, (environment.actions,), minval=-1.0, maxval=1.0)

    def turn(play, key, action):
        after, reward, ended = advance(environment, play, action)
        following = renew(environment, after, ended, key)
        frames = [x.stack[..., -3:] for x in (after, following)]
        over = following.time == 0
        return _Turn(following, action, reward, ended, over, *frames)

    decide = jax.jit(act) if not environment.compiled else act

    def by_policy(play, key, params, extra):
        own, renewing = jax.random.split(key)
        return turn(play, renewing, decide(play.stack, own, params, extra))

    def by_chance(play, key):
        own, renewing = jax.random.split(key)
        return turn(play, renewing, chance(own))

    both = {"policy": by_policy, "chance": by_chance}
    return {k: jax.jit(f) for k, f in both.items()} if environment.compiled else both


def _check(config, shapes, program: Program, environment: Environment) -> None:
    name = config["method"]["name"]
    if "action" not in program.method.outputs:
        raise ValueError(
            f"replay acts by the output 'action', which {name} has not: "
            f"{sorted(program.method.outputs)}. For curl give "
            f"--config.method.actions={environment.actions}"
        )
    wanted = {
        "image": (*environment.size, 3 * environment.frames),
        "action": (environment.actions,),
    }
    for field, shape in wanted.items():
        found = shapes[field].shape[1:] if field in shapes else None
        if found != shape:
            raise ValueError(
                f"{field} of data.train has the shape {found}, and that of the feed's "
                f"environment, {environment.name}, {shape}: both must be the same one"
            )
    if jax.process_count() > 1:
        raise ValueError(
            "replay acts in one process; on several machines each would act for itself"
        )
