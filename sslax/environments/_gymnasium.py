"""Tasks of gymnasium, from pixels."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from sslax.checks import check_not_negative, check_positive
from sslax.environments._environment import Environment
from sslax.environments._hosted import Simulation, hosted

__all__ = ["gymnasium"]


def gymnasium(
    *, task: str, size: int = 100, frames: int = 3, repeat: int = 1, steps: int = 0
) -> Environment:
    """A task of gymnasium with continuous actions, seen as it is drawn.

    It needs `pip install 'sslax[rl]'`, or gymnasium and what draws the task. Pictures
    are scaled to a square.

    Args:
      task: as it is registered, such as "Pendulum-v1"; "module:Name-v0" imports the
        module first, which may register your own.
      size: side of the pictures in pixels.
      frames: how many an agent sees at once.
      repeat: steps of the task in which one action holds.
      steps: of the task, in an episode; 0 is its own limit.

    Returns:
      The environment; it runs on the host, and a run that goes on begins an episode.

    Raises:
      ValueError: if the package is missing, there is no such task, it is not drawn, its
        actions are not continuous and bounded, it has no limit of time, or a number is
        too small.

    References:
      Towers et al., Gymnasium, 2024, arXiv:2407.17032.
    """
    check_positive(size=size, frames=frames, repeat=repeat)
    check_not_negative(steps=steps)
    package = _package()
    first = _made(package, task)
    low, high = _actions(package, task, first.action_space)
    limit = first.spec.max_episode_steps
    if not steps and not limit:
        raise ValueError(f"gymnasium: {task} has no limit of time; give steps=")

    def simulation(made: Any) -> Simulation:
        def reset(seed: int) -> None:
            made.reset(seed=seed)

        def step(action: np.ndarray) -> tuple[float, bool, bool]:
            _, reward, ended, timed_out, _ = made.step(action.astype(low.dtype))
            return reward, ended, timed_out

        return Simulation(reset, step, lambda: _scaled(made.render(), size), low, high)

    sizes = {"size": size, "frames": frames, "repeat": repeat, "steps": steps or limit}
    make = lambda: simulation(_made(package, task))  # noqa: E731
    return hosted(task, simulation(first), make, **sizes)


def _package() -> ModuleType:
    try:
        import gymnasium as package
    except ImportError as error:
        raise ValueError(
            "tasks of gymnasium need the package: pip install 'sslax[rl]'"
        ) from error
    return package


def _made(package: ModuleType, task: str) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # of pictures, see below
            made = package.make(task, render_mode="rgb_array")
    except (package.error.Error, ImportError) as error:
        raise ValueError(f"gymnasium: {task} cannot be made: {error}") from error
    if made.render_mode not in made.metadata.get("render_modes", ()):
        has = made.metadata.get("render_modes", ())
        raise ValueError(
            f"gymnasium: {task} is not drawn as pixels; render_modes are {[*has]},"
            " 'rgb_array' is needed"
        )
    return made


def _actions(package: ModuleType, task: str, space: Any) -> tuple[Any, Any]:
    """Least and largest, of a line of bounded numbers."""
    good = isinstance(space, package.spaces.Box) and len(space.shape) == 1
    if not good or not np.isfinite([space.low, space.high]).all():
        raise ValueError(
            f"gymnasium: {task} has actions {space}; an agent here needs a Box of one"
            " axis with finite bounds, as Pendulum-v1 has"
        )
    return space.low, space.high


def _scaled(picture: Any, size: int) -> np.ndarray:
    return np.asarray(
        Image.fromarray(picture).resize((size, size), Image.Resampling.BOX)
    )
