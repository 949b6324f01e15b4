"""Environments that are programs of the host, one simulation for each episode."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array

from sslax.environments._environment import Environment

__all__ = ["Simulation", "hosted"]


class Simulation(NamedTuple):
    """A task that is stepped in place.

    Attributes:
      reset: `seed -> None`, a new episode.
      step: `action [a] -> (reward, ended, timed_out)`; once, in the task's own units.
      picture: `() -> uint8 [h w 3]`.
      low: the least actions [a].
      high: the largest.
    """

    reset: Callable[[int], None]
    step: Callable[[np.ndarray], tuple[float, bool, bool]]
    picture: Callable[[], np.ndarray]
    low: np.ndarray
    high: np.ndarray


class _Episode(NamedTuple):
    """What a state is: episodes of training and of evaluation go on side by side."""

    act: Callable[[Any], tuple[float, bool]]
    picture: Callable[[], np.ndarray]


def hosted(
    name: str,
    first: Simulation,
    make: Callable[[], Simulation],
    *,
    size: int,
    frames: int,
    repeat: int,
    steps: int,
) -> Environment:
    """An environment of simulations.

    Args:
      name: of the task.
      first: a simulation.
      make: another; one is used again when its episode is forgotten.
      size: side of the pictures.
      frames: how many an agent sees at once.
      repeat: steps of the task in which one action holds.
      steps: of the task, in an episode.

    Returns:
      The environment.
    """
    free, low, high = [first], first.low, first.high

    def reset(key: Array) -> _Episode:
        simulation = free.pop() if free else make()
        simulation.reset(int(jax.random.randint(key, (), 0, 2**31 - 1)))
        act = _acting(name, simulation, repeat=repeat, steps=steps)
        weakref.finalize(act, free.append, simulation)
        return _Episode(act, simulation.picture)

    def step(episode: _Episode, action: Any) -> tuple[_Episode, float, bool]:
        share = (np.clip(np.asarray(action, np.float64), -1, 1) + 1) / 2
        return episode, *episode.act(low + share * (high - low))

    return Environment(
        name=name,
        reset=reset,
        step=step,
        render=lambda episode: episode.picture(),
        actions=len(low),
        size=(size, size),
        length=-(-steps // repeat),
        frames=frames,
        compiled=False,
    )


def _acting(name: str, simulation: Simulation, *, repeat: int, steps: int):
    """An action of an episode that begins: it holds for some steps, to the end."""
    done = 0

    def act(action: np.ndarray) -> tuple[float, bool]:
        nonlocal done
        total, ended = 0.0, False
        for _ in range(min(repeat, steps - done)):
            reward, ended, timed_out = simulation.step(action)
            done, total = done + 1, total + float(reward)
            if ended:
                break
            if timed_out and done < steps:  # an agent would take it for an end
                raise ValueError(
                    f"{name} has episodes of {done} steps, not of {steps}; give"
                    f" steps={done}"
                )
        return total, ended

    return act
