"""Tasks that an agent acts in and sees: pixels, actions, rewards."""

from __future__ import annotations

from sslax.environments._dm_control import dm_control
from sslax.environments._environment import (
    Environment,
    Play,
    advance,
    begin,
    renew,
)
from sslax.environments._episodes import Episodes, play_episodes, random_steps
from sslax.environments._gymnasium import gymnasium
from sslax.environments._swing_up import swing_up
from sslax.environments._transitions import transitions

__all__ = [
    "Environment",
    "Episodes",
    "Play",
    "advance",
    "begin",
    "dm_control",
    "gymnasium",
    "play_episodes",
    "random_steps",
    "renew",
    "swing_up",
    "transitions",
]
