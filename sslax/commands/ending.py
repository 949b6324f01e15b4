"""A polite end where nothing is to be saved: in imports, compilation, evaluation.

Python's own handlers wait until a compilation is over, and an exception that ends one
in the middle may end in a crash. A thread hears of the signal at once, says a word, and
ends the process. While a run trains, `sslax.train.signals` takes its place.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

__all__ = ["end", "polite", "quiet_threads"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def polite(command: str) -> Callable[[str], None]:
    """Ends the process with a sentence when SIGINT or SIGTERM comes.

    Args:
      command: the name of the command, for the sentence.

    Returns:
      A function that sets what the sentence goes on with from now on.
    """
    words = ["nothing was begun"]
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, _leave_it_to_the_thread)
    os.register_at_fork(after_in_child=_forget)

    def listen():
        while True:
            number = os.read(heard, 1)[0]
            if number in _SIGNALS:
                print(f"\nsslax {command}: stopped; {words[0]}", file=sys.stderr)
                end(128 + number)

    threading.Thread(target=listen, daemon=True, name="polite end").start()

    def say(text: str) -> None:
        words[0] = text

    return say


def quiet_threads() -> None:
    """Silences writers that go on after a failure, of which the failure is told.

    Where a checkpoint cannot be written, what was to write its other arrays finds its
    event loop closed, array by array, with a traceback each.
    """
    excepted, unraisable = sys.excepthook, sys.unraisablehook

    def of_exceptions(kind, error, trace):
        if not _is_of_a_closed_loop(error):
            excepted(kind, error, trace)

    def of_unraisables(unraised):
        if not _is_of_a_closed_loop(unraised.exc_value):
            unraisable(unraised)

    sys.excepthook, sys.unraisablehook = of_exceptions, of_unraisables


def _is_of_a_closed_loop(error: BaseException | None) -> bool:
    return isinstance(error, RuntimeError) and str(error) == "Event loop is closed"


def end(code: int) -> NoReturn:
    """Ends the process at once, whatever its threads do: checkpoints are atomic.

    Args:
      code: the exit status.
    """
    for child in multiprocessing.active_children():
        child.terminate()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _leave_it_to_the_thread(number, frame) -> None:
    del number, frame


def _forget() -> None:
    """A forked child does not speak for its parent."""
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
