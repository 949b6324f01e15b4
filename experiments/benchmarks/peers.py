"""A process with another Python, that has the packages to compare with.

Questions and answers are JSON objects, one a line. What the packages print there (a
banner, a warning, a progress bar) is no answer: `serve` sends it to standard error, and
`Peers.ask` passes over every line without the mark of an answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

MARK = "answer: "


class Peers:
    """The side that asks: a module in a process of its own."""

    def __init__(self, python: str, module: str):
        """Starts it, with the same allocator as this process.

        The settings are those of `sslax.platforms.keep_memory`.
        """
        settings = {
            "MALLOC_MMAP_THRESHOLD_": str(2**31 - 1),
            "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
            "MALLOC_TOP_PAD_": str(2**26),
            "MALLOC_ARENA_MAX": "1",
        }
        self._module = module
        self._process = subprocess.Popen(
            [python, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings},
        )

    def ask(self, **question: Any) -> Any:
        """The answer to one question."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            # A stray write may end without a new line, before the mark.
            _, mark, answer = line.rpartition(MARK)
            if mark:
                return json.loads(answer)
        code = self._process.wait()
        raise RuntimeError(f"{self._module} ended with code {code} at {question}")

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def serve(answer: Callable[[dict], Any]) -> None:
    """The side that answers: calls `answer` with each question until there is none."""
    # File descriptor 1 itself, so that compiled code is caught as well.
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout.flush()
    os.dup2(2, 1)
    for line in sys.stdin:
        print(MARK + json.dumps(answer(json.loads(line))), file=answers, flush=True)
