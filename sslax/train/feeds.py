"""The feeds that a config may name in `config.feed`."""

from __future__ import annotations

from sslax.train.feed import in_order
from sslax.train.replay import replay

__all__ = ["in_order", "replay"]
