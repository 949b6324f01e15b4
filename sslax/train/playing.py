"""Episodes that a network plays, for the tasks that judge them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import numpy as np

from sslax.core import State
from sslax.environments import Environment, play_episodes
from sslax.evaluate.tasks import EPISODES, Split, Task
from sslax.train.run import Run

__all__ = ["played", "players"]

Player = Callable[[State], Split]


def players(run: Run, tasks: Mapping[str, Task]) -> dict[str, Player]:
    """What plays for the tasks that ask for it; each is compiled once.

    Actions are the likeliest of the output "action", on what the views of evaluation
    show. Beside every episode stands one of chance.

    Args:
      run: the run.
      tasks: by name.

    Returns:
      `state -> Split` by the names of those tasks.
    """
    return {
        name: _player(run, task.environment, task.examples or 1)
        for name, task in tasks.items()
        if task.environment is not None
    }


def _player(run: Run, environment: Environment, count: int) -> Player:
    program = run.program
    key = jax.random.key(run.config["seed"])

    def act(stacks, key, params, extra):
        seen = program.evaluation_views(key, {"image": stacks})
        return program.method.outputs["action"](params, extra, seen, key=None)

    def chance(stacks, key):
        shape = (len(stacks), environment.actions)
        return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)

    play = play_episodes(environment, act, count=count)
    lucky = play_episodes(environment, chance, count=count, shown=0)
    by_chance: list[np.ndarray] = []

    def player(state: State) -> Split:
        if not by_chance:
            by_chance.append(np.asarray(lucky(key).rewards))
        made = jax.device_get(play(key, state.params, state.extra))
        outputs = {
            "reward": np.asarray(made.rewards),
            "chance": by_chance[0],
            "frames": np.asarray(made.frames),
        }
        return Split(outputs=outputs, index=np.arange(count))

    return player


def played(player: Player, state: State) -> dict[str, Split]:
    """The only split that such a task reads.

    Args:
      player: from `players`.
      state: the state of the network.

    Returns:
      The split "episodes".
    """
    return {EPISODES: player(state)}
