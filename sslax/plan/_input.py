"""What hosts have to read so that the chips are not left waiting."""

from __future__ import annotations

from typing import NamedTuple

from sslax.plan._plan import Plan

__all__ = ["Reading", "reading"]

# Images a second of one core: JPEGs of 500 by 375 pixels, decoded by Pillow and put on
# a canvas of so many; `python -m experiments.benchmarks.input`, experiments/README.md.
# On 512 they are not made smaller, which costs the most. These are of an AMD EPYC; that
# of 512 is the rate of decoding there by the share that placing left of it on an Intel
# Xeon, 0.935.
RATES = {160: 574, 256: 286, 384: 268, 512: 670}


class Reading(NamedTuple):
    """What the hosts of a topology read.

    Attributes:
      hosts: how many there are.
      images: that each reads a second.
      rate: images a second that one core decodes and places.
      cores: of each host that do nothing else.
      canvas: side of the square that images are put on.
    """

    hosts: int
    images: float
    rate: float
    cores: float
    canvas: int


def reading(one: Plan, *, per_core: float | None = None) -> Reading | None:
    """What hosts have to read for the predicted rate.

    Args:
      one: the plan.
      per_core: images a second that one core decodes and places; None is what was
        measured for the next larger canvas, or for 512 pixels.

    Returns:
      The numbers; None where nothing was predicted, or where images need no canvas, as
      those of small sets, which stay in memory.
    """
    canvas = one.step.config["data"]["canvas"]
    if one.speed is None or not canvas:
        return None
    known = [side for side in RATES if side >= canvas]
    rate = per_core or RATES[min(known, default=max(RATES))]
    images = one.speed.images / one.target.hosts
    return Reading(one.target.hosts, images, rate, images / rate, canvas)
