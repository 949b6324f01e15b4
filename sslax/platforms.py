"""The platform that a function is traced for, where a layer has a form for each.

A program may be compiled for devices that this machine does not have. What a layer asks
for is therefore the platform of the mesh, and only without one that of this machine.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import Any

import jax

__all__ = ["target", "traced_for"]

_target: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "platform", default=None
)


def target() -> str:
    """The platform that is being traced for.

    Returns:
      "cpu", "tpu", or a name of a GPU platform.
    """
    return _target.get() or jax.default_backend()


def traced_for(platform: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, in which `target` is a given platform.

    Args:
      platform: as `device.platform` has it.
      function: any function that is to be traced.

    Returns:
      A function to compile for devices of the platform.

    Example:
      >>> traced_for("tpu", target)()
      'tpu'
    """

    @functools.wraps(function)
    def traced(*args, **kwargs):
        before = _target.set(platform)
        try:
            return function(*args, **kwargs)
        finally:
            _target.reset(before)

    return traced
