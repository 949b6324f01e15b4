"""Schedules: functions of the step, for learning rate, momentum and temperature.

A schedule that drives a learning rate is a multiplier of it, with peak 1, so that the
rate itself stays one number in a config.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

__all__ = [
    "Schedule",
    "by_epoch",
    "constant",
    "cosine",
    "ramp",
    "step_decay",
    "warmed_up",
    "warmup_cosine",
]

Schedule = Callable[..., Array | float]


def constant(*, value: float = 1.0) -> Schedule:
    """The same value at every step.

    Args:
      value: the value.

    Returns:
      `step -> value`.

    Example:
      >>> constant(value=0.9)(100)
      0.9
    """
    return lambda step: value


def cosine(*, start: float, end: float, steps: int) -> Schedule:
    """Half a cosine from `start` to `end`, then `end`.

    With `end=1` this is the teacher's momentum of BYOL: 1 - (1 - start) (cos + 1) / 2.

    Args:
      start: value at step 0.
      end: value at `steps` and after.
      steps: length in steps, at least 1.

    Returns:
      `step -> value`.

    Raises:
      ValueError: if `steps` is less than 1.

    Example:
      >>> schedule = cosine(start=0.99, end=1.0, steps=10)
      >>> [round(float(schedule(s)), 4) for s in (0, 5, 10)]
      [0.99, 0.995, 1.0]

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, arXiv:2006.07733, section 3.2.
    """
    _at_least_one("steps", steps)

    def schedule(step):
        done = jnp.clip(_number(step) / steps, 0.0, 1.0)
        return end + (start - end) * (1 + jnp.cos(jnp.pi * done)) / 2

    return schedule


def ramp(*, start: float, end: float, steps: int, delay: int = 0) -> Schedule:
    """A line from `start` to `end`, then `end`.

    Args:
      start: value until `delay`.
      end: value at `delay + steps` and after.
      steps: length of the line in steps, at least 1.
      delay: steps before it; with `start=1, end=0` this is CUT's rate, constant and
        then falling.

    Returns:
      `step -> value`.

    Raises:
      ValueError: if `steps` is less than 1 or `delay` is negative.

    Example:
      >>> schedule = ramp(start=1.0, end=0.0, steps=10, delay=5)
      >>> [round(float(schedule(s)), 2) for s in (0, 5, 10, 15, 20)]
      [1.0, 1.0, 0.5, 0.0, 0.0]
    """
    _at_least_one("steps", steps)
    if delay < 0:
        raise ValueError(f"delay must be at least 0; got {delay}")

    def schedule(step):
        done = jnp.clip((_number(step) - delay) / steps, 0.0, 1.0)
        return start + (end - start) * done

    return schedule


def by_epoch(*, schedule: Schedule, steps_per_epoch: int, first: int = 0) -> Schedule:
    """A schedule of epochs as one of steps: it changes only between epochs.

    SimSiam and MoCo set their rate once an epoch, DINO the temperature of its teacher,
    `ramp(start=0.04, end=0.07, steps=29)` for 30 epochs of warm-up.

    Args:
      schedule: `epoch -> value`.
      steps_per_epoch: the steps of an epoch.
      first: number of the first epoch; SupCon counts from 1. An epoch of one step with
        number -1 is a rate that is set after each update (SimMIM).

    Returns:
      `step -> value`.

    Raises:
      ValueError: if an epoch has less than one step.

    Example:
      >>> warm = ramp(start=0.04, end=0.07, steps=3)
      >>> temperature = by_epoch(schedule=warm, steps_per_epoch=100)
      >>> [round(float(temperature(s)), 3) for s in (0, 99, 100, 300, 900)]
      [0.04, 0.04, 0.05, 0.07, 0.07]
    """
    _at_least_one("steps_per_epoch", steps_per_epoch)
    return lambda step: schedule(first + step // steps_per_epoch)


def warmed_up(
    *, schedule: Schedule, steps: int, start: float = 0.0, end: float | None = None
) -> Schedule:
    """A line up to where another schedule is by then, which goes on from there.

    In `warmup_cosine` the cosine begins when the warm-up ends; SupCon's and SimMIM's
    have run since the first step.

    Args:
      schedule: `step -> value`.
      steps: length of the line; 0 is none.
      start: value at step 0 and before.
      end: value at `steps` to which the line goes, 1 in SimMIM, from where the rate
        drops to the schedule; None is the schedule's value at the line's last step.

    Returns:
      `step -> value`.

    Raises:
      ValueError: if `steps` is negative.

    Example:
      >>> rate = warmed_up(schedule=cosine(start=1.0, end=0.0, steps=4), steps=2)
      >>> [round(float(rate(s)), 2) for s in (0, 1, 2, 4)]
      [0.0, 0.43, 0.5, 0.0]
    """
    if steps < 0:
        raise ValueError(f"steps must be at least 0; got {steps}")
    if steps == 0:
        return schedule

    def warmed(step):
        top = schedule(steps - 1) if end is None else end
        rise = start + (top - start) * jnp.maximum(_number(step), 0) / steps
        return jnp.where(step < steps, rise, schedule(step))

    return warmed


def warmup_cosine(
    *,
    steps: int,
    warmup: int = 0,
    start: float = 0.0,
    end: float = 0.0,
    inclusive: bool = False,
) -> Schedule:
    """Linear from `start` to 1 over `warmup` steps, then a cosine to `end` at `steps`.

    Args:
      steps: length in steps, the warm-up included.
      warmup: length of the warm-up in steps; the peak is reached at this step.
      start: value at step 0, where there is a warm-up.
      end: value at `steps` and after.
      inclusive: the peak is reached one step earlier, at the last of the warm-up, and
        again at the first of the cosine (DINO, iBOT, SwAV; BEiT, which starts from 0:
        its code never uses the other start that it offers).

    Returns:
      `step -> multiplier`, with peak 1.

    Raises:
      ValueError: if `steps` is less than 1 or the warm-up does not end before it.

    Example:
      >>> schedule = warmup_cosine(steps=20, warmup=10)
      >>> [round(float(schedule(s)), 3) for s in (0, 5, 10, 15, 20)]
      [0.0, 0.5, 1.0, 0.5, 0.0]

    References:
      Chen et al., A Simple Framework for Contrastive Learning, 2020, arXiv:2002.05709,
      section 2.2.
    """
    _at_least_one("steps", steps)
    if not 0 <= warmup < steps:
        raise ValueError(
            f"warmup must be at least 0 and less than steps={steps}; got {warmup}"
        )
    tail = cosine(start=1.0, end=end, steps=steps - warmup)
    length = max(warmup - inclusive, 1)

    def schedule(step):
        if warmup == 0:
            return tail(step)
        rise = start + (1 - start) * _number(step) / length
        return jnp.where(step < warmup, rise, tail(step - warmup))

    return schedule


def step_decay(
    *,
    boundaries: Sequence[int],
    factor: float | None = None,
    values: Sequence[float] | None = None,
    unit: int = 1,
    warmup: int = 0,
) -> Schedule:
    """A staircase: 1, then lower at each boundary.

    Args:
      boundaries: where the value changes, ascending, in units.
      factor: multiplies the value at each boundary; or
      values: the value after each boundary, one per boundary.
      unit: steps in a unit: 1, or the steps of an epoch.
      warmup: steps of linear rise from 0.

    Returns:
      `step -> multiplier`, with peak 1.

    Raises:
      ValueError: if not exactly one of `factor` and `values` is given, if their lengths
        differ or the boundaries do not ascend.

    Example:
      >>> schedule = step_decay(boundaries=(10, 20), factor=0.1)
      >>> [round(float(schedule(s)), 3) for s in (0, 9, 10, 20)]
      [1.0, 1.0, 0.1, 0.01]
    """
    if (factor is None) == (values is None):
        raise ValueError(f"give factor or values, not both; got {factor} and {values}")
    if list(boundaries) != sorted(set(boundaries)):
        raise ValueError(f"boundaries must ascend; got {tuple(boundaries)}")
    if values is None:
        assert factor is not None
        values = [factor ** (i + 1) for i in range(len(boundaries))]
    if len(values) != len(boundaries):
        raise ValueError(
            f"{len(boundaries)} boundaries need as many values; got {values}"
        )
    stairs = np.asarray([1.0, *values])
    edges = np.asarray([unit * b for b in boundaries], np.int32)

    def schedule(step):
        stair = jnp.searchsorted(edges, step, side="right")
        value = _number(stairs)[stair]
        done = _number(step) / max(warmup, 1)
        return value if warmup == 0 else value * jnp.clip(done, 0.0, 1.0)

    return schedule


def _number(step: ArrayLike) -> Array:
    """A float: of 64 bits where they are on, though the count of steps has 32."""
    return jnp.asarray(step, jnp.result_type(float))


def _at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} must be at least 1; got {value}")
