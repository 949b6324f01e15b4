"""What an optimizer and a method change with time, by name, for the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sslax import calls, schedules

__all__ = ["rates"]

Rate = Callable[[int], Any]


def rates(spec: Mapping[str, Any]) -> dict[str, Rate]:
    """All learning rates and schedules of a call, however deep it is nested.

    Optimizers that wrap others have no rate of their own; those inside them do. Steps
    of a path that are called "optimizer" are left out of its name, so that a clipped
    optimizer logs under the names of the bare one.

    Args:
      spec: the call of an optimizer or of a method, as a config has it.

    Returns:
      Functions of the step by name: every `learning_rate` (times its `schedule`), and
      every argument that is a schedule. Numbers that do not change, other than learning
      rates, are left to the config.

    Raises:
      ValueError: if the call of a schedule is wrong.

    Example:
      >>> decay = dict(name="ramp", start=0.04, end=0.4, steps=10)
      >>> adamw = dict(name="adamw", learning_rate=0.1, weight_decay=decay)
      >>> found = rates(dict(name="clipped", optimizer=adamw, norm=3.0))
      >>> {name: round(float(rate(10)), 3) for name, rate in found.items()}
      {'learning_rate': 0.1, 'weight_decay': 0.4}
    """
    return {"/".join(path): rate for path, rate in _walk(spec, ())}


def _walk(spec: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple]:
    if isinstance(spec.get("learning_rate"), (int, float)):
        yield (*path, "learning_rate"), _learning_rate(spec)
    for name, value in spec.items():
        if name == "schedule" and "learning_rate" in spec:
            continue
        here = path if name == "optimizer" else (*path, name)
        if _is_schedule(value):
            yield here, calls.build(value, schedules.Schedule)
        elif isinstance(value, Mapping):
            yield from _walk(value, here)
        elif isinstance(value, (list, tuple)):
            yield from _walk_items(value, here)


def _walk_items(items: Any, path: tuple[str, ...]) -> Iterator[tuple]:
    """Numbers the items; what stands beside a match has the number of the pair."""
    pair = sum(isinstance(item, Mapping) for item in items) == 1
    for i, item in enumerate(items):
        here = path if pair else (*path, str(i))
        if isinstance(item, Mapping):
            yield from _walk(item, here)
        elif isinstance(item, (list, tuple)):
            yield from _walk_items(item, here)


def _learning_rate(spec: Mapping[str, Any]) -> Rate:
    peak, schedule = spec["learning_rate"], spec.get("schedule")
    if not schedule:
        return lambda step: peak
    multiplier = calls.build(schedule, schedules.Schedule)
    return lambda step: peak * multiplier(step)


def _is_schedule(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("name") in schedules.__all__
