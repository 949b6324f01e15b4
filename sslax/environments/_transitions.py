"""Steps in an environment as examples."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from sslax import data
from sslax.environments._environment import Environment
from sslax.environments._episodes import random_steps

__all__ = ["transitions"]


def transitions(
    *, environment: Environment, length: int = 1024, seed: int = 0
) -> data.Source:
    """Steps of chance in an environment: what there is to see before an agent acts.

    Features are read of these, and views are shown of them; an agent learns from what
    it does itself, see `train.feed.replay`.

    Args:
      environment: where the steps are done.
      length: how many.
      seed: of the actions and of where episodes start.

    Returns:
      The source: `image` and `next_image`, stacks of frames before and after a step,
      `action` in [-1, 1], `reward`, and `not_done`, 0 where the episode ends.

    Raises:
      ValueError: if there are none.

    Example:
      >>> from sslax import environments
      >>> steps = transitions(environment=environments.swing_up(size=32), length=8)
      >>> steps[3]["image"].shape, steps[3]["action"].shape
      ((32, 32, 9), (1,))
    """
    if length < 1:
        raise ValueError(f"transitions: length is {length}; at least 1")

    @functools.cache  # drawn when they are first read: shapes need none
    def made():
        return random_steps(environment, count=length, seed=seed)

    def read(indices: Sequence[int], draws: Sequence[int]) -> list[dict]:
        del draws
        rows = made()
        return [{k: x[int(i)] for k, x in rows.items()} for i in indices]

    shape = (*environment.size, 3 * environment.frames)
    stack = data.Field(shape, "uint8", "picture")
    return data.Source(
        name=f"transitions/{environment.name}",
        length=length,
        read=read,
        fields={
            "image": stack,
            "next_image": stack,
            "action": data.Field((environment.actions,), "float32"),
            "reward": data.Field((), "float32"),
            "not_done": data.Field((), "float32"),
        },
    )
