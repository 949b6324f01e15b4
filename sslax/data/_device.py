"""Host batches to devices, ahead of their use."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np


def to_device(
    iterator: Iterable[dict[str, np.ndarray]], sharding: Any, *, size: int = 2
) -> Iterator[dict[str, Any]]:
    """Puts batches on the devices while earlier ones are still in use.

    Args:
      iterator: of host batches, each with this process's share of the rows.
      sharding: a `jax.sharding.Sharding` of the leading axis, for every array.
      size: how many batches are on the devices, with the one in use.

    Returns:
      An iterator of global batches: dicts of `jax.Array` with the rows of all
      processes, in the order of the processes.

    Raises:
      ValueError: if the size is below 1.

    Example:
      >>> import jax
      >>> from sslax import data
      >>> one = jax.sharding.SingleDeviceSharding(jax.devices()[0])
      >>> shapes = data.batches(data.synthetic(size=16, length=8), 4)
      >>> next(data.to_device(shapes, one))["image"].shape
      (4, 16, 16, 3)
    """
    if size < 1:
        raise ValueError(f"size is {size}; it must be at least 1")
    return _put_ahead(iterator, sharding, size)


def _put_ahead(
    iterator: Iterable[dict[str, np.ndarray]], sharding: Any, size: int
) -> Iterator[dict[str, Any]]:
    import jax

    waiting: collections.deque = collections.deque()
    try:
        for batch in iterator:
            waiting.append(
                {
                    key: jax.make_array_from_process_local_data(sharding, value)
                    for key, value in batch.items()
                }
            )
            if len(waiting) == size:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        if hasattr(iterator, "close"):
            iterator.close()
