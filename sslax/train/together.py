"""What the processes of a run tell each other outside the train step."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

__all__ = ["from_first", "gathered"]

_BYTES = 4096


def gathered(text: str) -> list[str]:
    """What each process says; all of them must call this.

    Args:
      text: what this process says; about 4,000 bytes of it are told.

    Returns:
      The texts, by the number of the process.
    """
    if jax.process_count() == 1:
        return [text]
    told = text.encode()[:_BYTES]
    row = np.zeros(_BYTES, np.uint8)
    row[: len(told)] = np.frombuffer(told, np.uint8)
    rows = multihost_utils.process_allgather(row)
    return [x.tobytes().rstrip(b"\0").decode(errors="ignore") for x in rows]


def from_first(decide: Callable[[], Any]) -> Any:
    """What process 0 decides, told to all; all of them must call this.

    Files lie differently before the eyes of each process while others write, and a
    process that fails alone leaves the rest waiting for it.

    Args:
      decide: called on process 0; gives a short value that JSON can hold.

    Returns:
      Its value, on every process.

    Raises:
      ValueError: on every process, if `decide` raises one.
    """
    if jax.process_count() == 1:
        return decide()
    told, failure = "", None
    if jax.process_index() == 0:
        try:
            told = json.dumps({"value": decide()})
        except ValueError as error:
            told, failure = _failure(str(error)), error
        except Exception as error:
            told, failure = _failure(repr(error)), error
    answer = json.loads(gathered(told)[0])
    if failure is not None:
        raise failure
    if "error" in answer:
        raise ValueError(f"process 0 stopped: {answer['error']}")
    return answer["value"]


def _failure(message: str) -> str:
    return json.dumps({"error": message[: _BYTES // 5]}, ensure_ascii=False)
