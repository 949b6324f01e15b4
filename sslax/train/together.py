"""What the processes of a run tell each other outside the train step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

__all__ = ["from_first", "gathered", "same_rows"]

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


def same_rows(batches: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Batches that every process reads for itself, held to be the same everywhere.

    Where one process skips an example that another one reads, each device would take
    rows of another batch.

    Args:
      batches: with `index` each.

    Yields:
      The batches.

    Raises:
      ValueError: on every process, if the processes read different examples.
    """
    for batch in batches:
        _check_same(hashlib.sha256(np.asarray(batch["index"]).tobytes()).hexdigest())
        yield batch
    _check_same("the end")


def _check_same(said: str) -> None:
    if len(set(gathered(said))) > 1:
        raise ValueError(
            "the processes read different examples: one of them skips an image that "
            "another can decode; their files or their decoders differ"
        )


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
