"""What an environment is, and one step in it as an agent sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

__all__ = ["Environment", "Play", "advance", "begin", "renew"]


class Environment(NamedTuple):
    """A task with pixels and continuous actions.

    Attributes:
      name: of the task.
      reset: `key -> state`, a new episode: a tree of plain arrays where `compiled`.
      step: `(state, action [a]) -> (state, reward, ended)`; actions are in [-1, 1], and
        an episode that ends here has nothing to come: its time running out is no end.
      render: `state -> uint8 [h w 3]`.
      actions: a.
      size: height and width of the pictures.
      length: steps of an episode.
      frames: how many pictures an agent sees at once.
      compiled: whether these are pure functions of JAX; else they are of the host, and
        a state cannot be stored.
    """

    name: str
    reset: Callable[..., Any]
    step: Callable[..., tuple[Any, Any, Any]]
    render: Callable[..., Any]
    actions: int
    size: tuple[int, int]
    length: int
    frames: int = 3
    compiled: bool = True


class Play(NamedTuple):
    """Where an episode stands.

    Attributes:
      state: of the environment.
      stack: the newest pictures along the channels, uint8 [h w 3*frames], oldest first.
      time: steps done in this episode.
    """

    state: Any
    stack: Any
    time: Any


def begin(environment: Environment, key: Array) -> Play:
    """A new episode: the first picture fills the stack.

    Args:
      environment: the environment.
      key: of where it starts.

    Returns:
      The start.
    """
    state = environment.reset(key)
    stack = jnp.tile(jnp.asarray(environment.render(state)), environment.frames)
    return Play(state, stack, jnp.zeros([], jnp.int32))


def advance(
    environment: Environment, play: Play, action: Array
) -> tuple[Play, Array, Array]:
    """One step.

    Args:
      environment: the environment.
      play: where the episode stands.
      action: [a], in [-1, 1].

    Returns:
      Where it stands then, the reward, and whether the episode has ended by itself.
    """
    state, reward, ended = environment.step(play.state, action)
    frame = jnp.asarray(environment.render(state))
    stack = jnp.concatenate([play.stack[..., 3:], frame], axis=-1)
    made = Play(state, stack, play.time + 1)
    return made, jnp.float32(reward), jnp.asarray(ended, bool)


def renew(environment: Environment, play: Play, ended: Array, key: Array) -> Play:
    """A new episode where this one is over, by its end or by its time.

    Args:
      environment: the environment.
      play: where the episode stands.
      ended: whether it has ended by itself.
      key: of where a new one starts.

    Returns:
      The start of a new episode, or the same.
    """
    over = ended | (play.time >= environment.length)
    if not environment.compiled:
        return begin(environment, key) if over else play
    return jax.lax.cond(over, lambda: begin(environment, key), lambda: play)
