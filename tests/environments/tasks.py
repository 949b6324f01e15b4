"""Small tasks of gymnasium, whose pictures and rewards tell what was done."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces


class Counted(gymnasium.Env):
    """The reward is the first action; a picture is as bright as steps were done."""

    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 30,
    }

    def __init__(self, render_mode=None, ends=100, actions=None):
        self.render_mode, self.ends = render_mode, ends
        box = spaces.Box(np.float32([-2, 0]), np.float32([4, 1]))
        self.action_space = actions or box
        self.observation_space = spaces.Box(0, 255, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.done, self.start = 0, self.np_random.integers(0, 240)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert action.dtype == np.float32
        assert self.action_space.contains(action)
        self.done += 1
        ended = self.done == self.ends
        return np.zeros(1, np.float32), float(action[0]), ended, False, {}

    def render(self):
        return np.full((9, 12, 3), self.start + self.done, np.uint8)


class Blind(Counted):
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["human"]}


def _register(name, entry=Counted, limit=6, **options):
    gymnasium.register(name, entry, max_episode_steps=limit, kwargs=options)


_register("Counted-v0")
_register("Single-v0", actions=spaces.Box(-1, 1, (1,)))
_register("Ending-v0", ends=3)
_register("Endless-v0", limit=None)
_register("Blind-v0", Blind)
_register("Discrete-v0", actions=spaces.Discrete(2))
_register("Choices-v0", actions=spaces.MultiDiscrete([2, 3]))
_register("Unbounded-v0", actions=spaces.Box(-np.inf, np.inf, (1,)))
_register("Square-v0", actions=spaces.Box(-1, 1, (2, 2)))
