"""The best checkpoint of a run, by a number of its log."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import orbax.checkpoint as ocp
from etils import epath

from sslax.train.writers import read_jsonl

__all__ = ["best_one", "best_step"]


def best_one(folder: Any, best: str) -> Any:
    """The policy that keeps the best checkpoint, also of before a run went on.

    Orbax knows the numbers of its own files, of which a damaged one would be fatal, or
    of what it has saved itself; those of before are in the log.

    Args:
      folder: the folder of the run.
      best: a metric, the larger the better.

    Returns:
      A preservation policy of Orbax.
    """
    before = _numbers(epath.Path(folder), best)
    policy = ocp.checkpoint_managers.BestN(
        get_metric_fn=lambda metrics: metrics[best],
        n=1,
        keep_checkpoints_without_metrics=False,
    )

    def known(checkpoint: Any) -> Any:
        numbers, step = checkpoint.metrics, checkpoint.step
        if numbers is None and step in before:
            numbers = {best: before[step]}
        return SimpleNamespace(step=step, time=checkpoint.time, metrics=numbers)

    def should_preserve(checkpoints: Sequence[Any], *, context: Any) -> Any:
        return policy.should_preserve([known(x) for x in checkpoints], context=context)

    return SimpleNamespace(should_preserve=should_preserve)


def _numbers(folder, name: str) -> dict[int, float]:
    """A number of the log by step."""
    rows = read_jsonl(folder / "metrics.jsonl")
    return {row["step"]: row[name] for row in rows if name in row}


def best_step(manager, best: str) -> int | None:
    """The checkpoint with the largest number; of equal ones the newest.

    Args:
      manager: from `open_checkpoints`.
      best: the metric.

    Returns:
      The step, or None where no checkpoint has the number.
    """
    numbers = _numbers(epath.Path(manager.directory).parent, best)
    judged = {step: numbers[step] for step in manager.all_steps() if step in numbers}
    return max(judged, key=lambda step: (judged[step], step), default=None)
