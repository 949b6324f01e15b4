"""How long a collective takes at best on the links of a topology."""

from __future__ import annotations

import math

from sslax.plan._topologies import HOST, Topology
from sslax.plan._traffic import Collective

__all__ = ["collective_seconds", "link_bytes"]

# How often the whole array passes every chip.
_PASSES = {"all-reduce": 2.0, "all-gather": 1.0, "reduce-scatter": 1.0}


def collective_seconds(one: Collective, target: Topology) -> float:
    """Seconds of one run of a collective, bandwidth and hops.

    The array travels around rings in both directions, over every axis of the torus that
    the group spans; where a group spans hosts of GPUs or slices of TPUs, it is first
    reduced inside them, and each chip sends its share over the network.

    Args:
      one: the collective.
      target: the topology.

    Returns:
      Seconds.

    References:
      Austin et al., "How to Scale Your Model", Google DeepMind, 2025, part 3.
    """
    if one.group <= 1:
        return 0.0
    inside, across = _split(one, target)
    passes, whole = _PASSES.get(one.kind, 1.0), _whole(one)
    if one.kind in ("all-to-all", "ragged-all-to-all"):
        # On a ring every byte goes a quarter of the way round; behind a switch, once.
        ring = target.chip.torus and across == 1
        whole *= one.group / 4 if ring else 1
    seconds = 0.0
    if one.kind == "collective-permute":
        rate = target.chip.link if across == 1 else target.chip.network
        return whole / rate + target.chip.hop
    if inside > 1:
        rate, hops = _links(inside, target)
        seconds += passes * (
            whole * (inside - 1) / inside / rate + hops * target.chip.hop
        )
    if across > 1:
        share = whole / inside * (across - 1) / across
        hops = math.log2(across)
        seconds += passes * (share / target.chip.network + hops * target.chip.hop * 5)
    return seconds


def link_bytes(one: Collective) -> float:
    """Bytes that each chip sends in one run of a collective.

    Args:
      one: the collective.

    Returns:
      Bytes, of an algorithm that sends no more than it must: a reduction of the whole
      array sends it almost twice.
    """
    if one.group <= 1:
        return 0.0
    if one.kind == "collective-permute":
        return float(one.bytes)
    passes = _PASSES.get(one.kind, 1.0)
    return passes * _whole(one) * (one.group - 1) / one.group


def _whole(one: Collective) -> float:
    """Bytes of the array that a collective is about; a gather is given a part."""
    return float(one.bytes) * (one.group if one.kind == "all-gather" else 1)


def _split(one: Collective, target: Topology) -> tuple[int, int]:
    """Members of a group that the fast links join, and how many such sets."""
    near = HOST if target.chip.kind == "gpu" else math.prod(target.shape)
    if target.chip.kind == "gpu":
        near = target.shape[1]
    if one.kind == "collective-permute":
        return (2, 1) if one.stride < near else (1, 2)
    inside = min(one.group, max(1, near // one.stride))
    return inside, math.ceil(one.group / inside)


def _links(group: int, target: Topology) -> tuple[float, float]:
    """Bytes/s of a chip in a group, and hops to its farthest member."""
    chip = target.chip
    if not chip.torus:
        return chip.link, math.log2(group)
    rate, hops, reached = 0.0, 0.0, 1
    for size in sorted(target.shape, reverse=True):
        if reached >= group or size == 1:
            break
        used = min(size, math.ceil(group / reached))
        closed = used == size and size >= chip.ring
        rate += chip.link * (2 if closed else 1)
        hops += used / 2 if closed else used - 1
        reached *= used
    return rate, hops
