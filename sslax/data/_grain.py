"""Batches of large sets, read ahead by Grain's threads or worker processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
from absl import flags

STEPS = 2**40
"""More steps than any run takes; Grain's ranges have an end."""


def iterate(
    read: Callable[[int], tuple[dict[str, np.ndarray], list[int]]],
    start_step: int,
    *,
    workers: int,
    prefetch: int,
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    """What `read` returns for each step from `start_step` on, in order.

    An element of the pipeline is a whole batch, named by its step: there is no state
    beyond the step number, so a run resumes with any number of workers.
    """
    import grain

    # Grain reads absl flags in its workers, and stops when nobody has parsed them.
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    steps = grain.MapDataset.range(start_step, start_step + STEPS)
    threads = 1 if workers else max(1, min(prefetch, os.cpu_count() or 1))
    dataset = steps.map(read).to_iter_dataset(
        grain.ReadOptions(num_threads=threads, prefetch_buffer_size=prefetch)
    )
    if workers:
        options = grain.multiprocessing.MultiprocessingOptions(
            num_workers=workers, per_worker_buffer_size=prefetch
        )
        dataset = dataset.mp_prefetch(options)
    iterator = iter(dataset)
    try:
        yield from iterator
    finally:
        iterator.close()
