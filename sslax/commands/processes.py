"""How the commands that train or evaluate join the processes of a pod."""

from __future__ import annotations

from typing import Any

__all__ = ["start"]


def start(options: Any) -> None:
    """Starts JAX, over several processes where the command line says so.

    Args:
      options: of the command line.
    """
    from sslax import sharding

    sharding.start(
        coordinator=options.coordinator,
        processes=options.processes,
        process_id=options.process_id,
    )
