"""One run in a folder at a time: the second one is refused."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from typing import Any

from absl import logging

from sslax.train.together import from_first

__all__ = ["alone"]

_LOCK = ".lock"


@contextlib.contextmanager
def alone(folder: Any) -> Iterator[None]:
    """Holds the folder of a run, until the end of the process at the latest.

    The system gives the lock back however a process ends. Of several processes the
    first one holds it. Where a file system has no locks (a bucket, some networks) there
    is none.

    Args:
      folder: the folder.

    Yields:
      Nothing.

    Raises:
      ValueError: if another run holds it.
    """
    held: list[int] = []

    def hold() -> None:
        if "://" not in str(folder):
            held.extend(_held(os.fspath(folder)))

    from_first(hold)
    try:
        yield
    finally:
        for number in held:
            os.close(number)


def _held(folder: str) -> list[int]:
    """The open file whose lock is held; none where there are no locks."""
    path = os.path.join(folder, _LOCK)
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        logging.info("%s cannot be locked: %s", folder, error)
        return []
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        whose = os.read(number, 200).decode(errors="replace").strip()
        os.close(number)
        raise ValueError(
            f"workdir {folder!r} is in use by another run"
            f"{f', {whose}' if whose else ''}: wait for its end, stop it, or choose "
            "another --workdir"
        ) from None
    except OSError as error:
        os.close(number)
        logging.info("%s cannot be locked: %s", folder, error)
        return []
    with contextlib.suppress(OSError):  # a full disk: who it is is not needed
        os.truncate(number, 0)
        os.pwrite(
            number, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0
        )
    return [number]
