"""What an agent gets in whole episodes, and how it looks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array

from sslax.environments import Environment
from sslax.evaluate.tasks._task import EPISODES, Pictures, Results, Split, Task

_FRAMES = 10


def episodes(*, environment: Environment, count: int = 10) -> Task:
    """The return of whole episodes, each action the likeliest.

    Args:
      environment: where the method acts.
      count: how many episodes.

    Returns:
      A task with the numbers `return`, the mean over episodes, and its deviation; with
      pictures of some episodes for the report, and a note on what chance gets.

    Raises:
      ValueError: if there are no episodes.
    """
    if count < 1:
        raise ValueError(f"episodes: count is {count}; at least 1")

    def run(splits: Mapping[str, Split], key: Array) -> Results:
        del key
        outputs = splits[EPISODES].outputs
        returns, chance = (outputs[k].sum(axis=1) for k in ("reward", "chance"))
        note = (
            f"actions drawn at random return {chance.mean():.1f} ± {chance.std():.1f} "
            f"in {environment.name}, over {count} episodes"
        )
        return Results(
            numbers={"return": returns.mean(), "return_deviation": returns.std()},
            notes=(note,),
            pictures=lambda: [_film(environment.name, outputs["frames"], returns)],
        )

    return Task(
        needs=("action",),
        run=run,
        splits=(EPISODES,),
        examples=count,
        best="return",
        environment=environment,
    )


def _film(name: str, frames: np.ndarray, returns: np.ndarray) -> Pictures:
    """The first episodes, pictures evenly over their time."""
    length = frames.shape[1]
    shown = np.unique(np.linspace(0, length - 1, min(_FRAMES, length)).astype(int))
    rows = [
        (f"return {value:.0f}", list(film[shown]))
        for film, value in zip(frames, returns, strict=False)
    ]
    text = f"Episodes of {name} from left to right, {length} steps each."
    return Pictures("Episodes", text, rows)
