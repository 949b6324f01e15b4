"""A polite end: SIGTERM and Ctrl-C ask the loop to save and stop."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.experimental import multihost_utils

__all__ = ["stop_requests"]


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
    """Turns SIGTERM into a question that the loop asks after every call of the step.

    The signals are taken over when it is first asked: before that, in the compilation
    of the first step, there is nothing to save, and what a signal does then is left as
    it is. A second Ctrl-C does not wait for the end of the step.

    With several processes JAX's own service passes the request on, so that all of them
    stop at the same call, whichever was told. It answers at one number alone, so the
    calls must be counted one by one: not in steps, of which a call may make several.

    Yields:
      `call -> bool`, whether to save and stop after this call.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    if threading.current_thread() is not threading.main_thread():
        yield lambda call: False  # which cannot be told of signals
        return
    asked: list[int] = []
    before: dict[int, Any] = {}
    listener = -1

    def note(number, frame):
        del frame
        if not asked or number != signal.SIGINT:
            asked.append(number)
        elif listener >= 0:
            os.write(listener, bytes([number]))  # see sslax.commands.ending
        else:
            raise KeyboardInterrupt

    def stop(call: int) -> bool:
        nonlocal listener
        if not before:
            listener = signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT):
                before[number] = signal.signal(number, note)
        return bool(asked)

    try:
        yield stop
    finally:
        if before:
            signal.set_wakeup_fd(listener)
        for number, handler in before.items():
            signal.signal(number, handler)
