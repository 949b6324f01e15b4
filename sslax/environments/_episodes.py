"""Episodes: of a policy, to judge it, and of chance, to have something to see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sslax.environments._environment import Environment, advance, begin, renew

__all__ = ["Episodes", "play_episodes", "random_steps"]


class Episodes(NamedTuple):
    """What happened in some episodes.

    Attributes:
      rewards: float32 [n t], 0 after an end.
      frames: pictures of the first ones, uint8 [m t h w 3], after each step.
    """

    rewards: Any
    frames: Any


def play_episodes(
    environment: Environment,
    act: Callable[..., Array],
    *,
    count: int,
    shown: int = 2,
) -> Callable[..., Episodes]:
    """Plays whole episodes, all at once where the environment can be compiled.

    Args:
      environment: the environment.
      act: `(stacks [n h w c], key, *given) -> actions [n a]`.
      count: how many episodes.
      shown: of how many the pictures are kept.

    Returns:
      `(key, *given) -> Episodes`; what is given is passed on to `act`.
    """
    if not environment.compiled:
        return _one_by_one(environment, jax.jit(act), count, shown)

    def play(key, *given):
        starts, moves = jax.random.split(key)
        plays = jax.vmap(lambda k: begin(environment, k))(
            jax.random.split(starts, count)
        )

        def step(carry, key):
            plays, alive = carry
            actions = act(plays.stack, key, *given)
            plays, rewards, ended = jax.vmap(lambda p, a: advance(environment, p, a))(
                plays, actions
            )
            seen = plays.stack[:shown, ..., -3:]
            return (plays, alive & ~ended), (rewards * alive, seen)

        keys = jax.random.split(moves, environment.length)
        _, (rewards, frames) = jax.lax.scan(step, (plays, jnp.ones(count, bool)), keys)
        return Episodes(rewards.T, jnp.swapaxes(frames, 0, 1))

    return jax.jit(play)


def _one_by_one(environment: Environment, act, count: int, shown: int):
    """The same, of the host: one step after the other."""

    def play(key, *given):
        rewards = np.zeros((count, environment.length), np.float32)
        frames = np.zeros(
            (min(shown, count), environment.length, *environment.size, 3), np.uint8
        )
        for i in range(count):
            own = jax.random.fold_in(key, i)
            now, ended = begin(environment, own), False
            for t in range(environment.length):
                action = act(now.stack[None], jax.random.fold_in(own, t), *given)[0]
                now, reward, ended = advance(environment, now, action)
                rewards[i, t] = reward
                if i < len(frames):
                    frames[i, t:] = now.stack[..., -3:]
                if ended:
                    break
        return Episodes(rewards, frames)

    return play


def random_steps(
    environment: Environment, *, count: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Steps under actions that are drawn at random, one episode after the other.

    Args:
      environment: the environment.
      count: how many steps.
      seed: of all that is drawn.

    Returns:
      By name: `image` and `next_image` uint8 [n h w c], `action` float32 [n a],
      `reward` and `not_done` float32 [n].
    """

    def step(play, key):
        start, move = jax.random.split(key)
        shape = (environment.actions,)
        action = jax.random.uniform(move, shape, minval=-1.0, maxval=1.0)
        after, reward, ended = advance(environment, play, action)
        row = {
            "image": play.stack,
            "next_image": after.stack,
            "action": action,
            "reward": reward,
            "not_done": 1.0 - jnp.float32(ended),
        }
        return renew(environment, after, ended, start), row

    first, key = jax.random.split(jax.random.key(seed))
    keys, now = jax.random.split(key, count), begin(environment, first)
    if environment.compiled:
        rows = jax.jit(lambda p, k: jax.lax.scan(step, p, k)[1])(now, keys)
        return {name: np.asarray(x) for name, x in rows.items()}
    rows = []
    for own in keys:
        now, row = step(now, own)
        rows.append(jax.tree.map(np.asarray, row))
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
