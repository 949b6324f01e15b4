"""A process with another Python, that has the packages to compare with."""

from __future__ import annotations

import os
import subprocess


def start_peers(python: str, module: str) -> subprocess.Popen:
    """Starts a module that answers JSON lines, with the same allocator as this process.

    The settings are those of `sslax.platforms.keep_memory`.
    """
    settings = {
        "MALLOC_MMAP_THRESHOLD_": str(2**31 - 1),
        "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
        "MALLOC_TOP_PAD_": str(2**26),
        "MALLOC_ARENA_MAX": "1",
    }
    return subprocess.Popen(
        [python, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings},
    )
