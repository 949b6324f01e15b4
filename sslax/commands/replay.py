"""The command `sslax replay`."""

from __future__ import annotations

from typing import Any

__all__ = ["run"]

# How many beginnings, and names of what is not finite, are told.
_MOST = 3


def run(options: Any) -> None:
    """Does the step again that stopped a run, and says where it left finite numbers.

    Args:
      options: of the command line.
    """
    options.say("nothing was written")
    import jax

    from sslax.train.broken_step import replay_broken_step
    from sslax.train.origin import told

    what, origins = replay_broken_step(options.workdir)
    device = jax.local_devices()[0].device_kind
    print(f"{what} of {options.workdir}, one operation at a time on {device}:")
    if not origins:
        print(
            "it is finite so. The compiled step rounds otherwise, and so does another "
            "kind of device: try that of the run"
        )
        return
    found = sorted(set(origins.values()), key=lambda origin: origin.order)
    for origin in found[:_MOST]:
        print("\n".join(told(origin)))
    names = ", ".join(list(origins)[:_MOST])
    more = f" and {len(origins) - _MOST} more" if len(origins) > _MOST else ""
    print(f"not finite after it: {names}{more}")
