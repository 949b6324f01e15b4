"""Tasks of DeepMind's control suite, from pixels."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import numpy as np

from sslax.checks import check_positive
from sslax.environments._environment import Environment
from sslax.environments._hosted import Simulation, hosted

__all__ = ["dm_control"]


def dm_control(
    *,
    domain: str,
    task: str,
    size: int = 100,
    frames: int = 3,
    repeat: int = 8,
    steps: int = 1000,
    camera: int = 0,
) -> Environment:
    """A task of DeepMind's control suite, with rewards in [0, 1] a step.

    It needs `pip install 'sslax[rl]'`, and OpenGL to draw with. `MUJOCO_GL` says by
    which library: "egl" on a machine without a screen, which is taken where neither it
    nor `DISPLAY` is set; "osmesa" without a driver; "glfw" on a screen.

    Args:
      domain: such as "cartpole".
      task: of the domain, such as "swingup".
      size: side of the pictures in pixels.
      frames: how many an agent sees at once.
      repeat: steps of the task in which one action holds; CURL's table has 8 for
        cartpole, 4 for reacher, cheetah and ball in cup, 2 for walker and finger.
      steps: of the task, in an episode.
      camera: that looks at it.

    Returns:
      The environment; it runs on the host, and a run that goes on begins an episode.

    Raises:
      ValueError: if the package is missing, there is no such task, or a number is
        below 1; and, when it draws, if there is no OpenGL.

    References:
      Tassa et al., DeepMind Control Suite, 2018, arXiv:1801.00690.
    """
    check_positive(size=size, frames=frames, repeat=repeat, steps=steps)
    suite = _suite()
    if (domain, task) not in suite.ALL_TASKS:
        tasks = sorted(t for d, t in suite.ALL_TASKS if d == domain)
        known = tasks or sorted({d for d, _ in suite.ALL_TASKS})
        what = f"task {task!r} of {domain!r}" if tasks else f"domain {domain!r}"
        raise ValueError(f"dm_control has no {what}; there are {known}")

    def make() -> Simulation:
        made = suite.load(domain, task)
        actions = made.action_spec()

        def reset(seed: int) -> None:
            made.task.random.seed(seed)
            made.reset()

        def step(action: np.ndarray) -> tuple[float, bool, bool]:
            now = made.step(action)
            ended = now.last() and now.discount == 0
            return now.reward, ended, now.last() and not ended

        return Simulation(
            reset,
            step,
            lambda: _drawn(made.physics, size, camera),
            np.broadcast_to(actions.minimum, actions.shape),
            np.broadcast_to(actions.maximum, actions.shape),
        )

    sizes = {"size": size, "frames": frames, "repeat": repeat, "steps": steps}
    return hosted(f"{domain}-{task}", make(), make, **sizes)


def _suite() -> ModuleType:
    if not {"MUJOCO_GL", "DISPLAY"} & {*os.environ}:
        os.environ["MUJOCO_GL"] = "egl"  # read when the package is first imported
    try:
        from dm_control import suite
    except ImportError as error:
        raise ValueError(
            "tasks of DeepMind's control suite need dm_control: pip install"
            f" 'sslax[rl]', and OpenGL: {_ADVICE} ({error})"
        ) from error
    return suite


_ADVICE = "MUJOCO_GL=egl with libegl1, MUJOCO_GL=osmesa with libosmesa6, or a screen"


def _drawn(physics: Any, size: int, camera: int) -> np.ndarray:
    try:
        return physics.render(size, size, camera_id=camera)
    except (RuntimeError, AttributeError, ImportError) as error:  # by its libraries
        chosen = os.environ.get("MUJOCO_GL", "not set")
        raise ValueError(
            f"dm_control cannot draw (MUJOCO_GL is {chosen}): {error}. What can draw:"
            f" {_ADVICE}"
        ) from error
