"""Faults of the machine and the network, told from damage and from mistakes."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator

__all__ = ["faults", "is_outside"]

# What tensorstore says, in a ValueError, of a storage that does not do its part.
_WORDS = (
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "RESOURCE_EXHAUSTED",
    "ABORTED",
)


def is_outside(error: Exception) -> bool:
    """Whether a failed read is the machine's or the network's fault, not the file's.

    Args:
      error: what the read raised.

    Returns:
      True for a lack of memory or rights, a fault of the disk, a connection that is
      gone; False for a file that is missing, cut off or changed.

    Example:
      >>> is_outside(ConnectionResetError(104, "reset")), is_outside(OSError(2, "gone"))
      (True, False)
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        gone = (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
        return error.errno not in gone or isinstance(error, TimeoutError)
    return any(word in str(error) for word in _WORDS)


@contextlib.contextmanager
def faults() -> Iterator[None]:
    """Makes an OSError of what Orbax raises when a storage fails.

    Yields:
      Nothing.

    Raises:
      OSError: with the number and the path, where the storage tells them.
    """
    try:
        yield
    except ValueError as error:
        text = str(error)
        if not text.startswith(_WORDS):
            raise
        number = re.search(r"os_error_code='(\d+)'", text)
        path = re.search(r'"(/[^"]+)"', text)
        if number is None:
            raise OSError(text.splitlines()[0]) from error
        code = int(number[1])
        raise OSError(code, os.strerror(code), path and path[1]) from error
