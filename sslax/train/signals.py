"""A polite end: SIGTERM and Ctrl-C ask the loop to save and stop."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils

__all__ = ["stop_requests"]


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[int], bool]]:
    """Turns SIGTERM into a question that the loop asks after every call of the step.

    With several processes JAX's own service passes the request on, so that all of them
    stop at the same call, whichever was told. It answers at one number alone, so the
    calls must be counted one by one: not in steps, of which a call may make several.

    A second Ctrl-C does not wait for the end of the step: it is a KeyboardInterrupt.

    Yields:
      `call -> bool`, whether to save and stop after this call.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    asked = False

    def note(number, frame):
        nonlocal asked
        del frame
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = True

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {n: signal.signal(n, note) for n in numbers}
    woken = signal.set_wakeup_fd(-1)  # whoever listens there would end the run at once
    try:
        yield lambda call: asked
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
