"""Tasks that an agent acts in and sees: pixels, actions, rewards."""

from __future__ import annotations

from sslax.environments._environment import (
    Environment,
    Play,
    advance,
    begin,
    renew,
)
from sslax.environments._episodes import Episodes, play_episodes, random_steps
from sslax.environments._swing_up import swing_up
from sslax.environments._transitions import transitions

__all__ = [
    "Environment",
    "Episodes",
    "Play",
    "advance",
    "begin",
    "play_episodes",
    "random_steps",
    "renew",
    "swing_up",
    "transitions",
]
