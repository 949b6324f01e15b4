"""Slices of TPU chips and clusters of GPUs by name, as devices to compile for."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sslax.calls import nearest
from sslax.plan._chips import CHIPS, Chip

__all__ = ["Topology", "devices_of", "sized", "topology"]

HOST = 8  # GPUs of a host

# Shapes of slices that are let, by number of chips.
_SLICES = {
    2: {1: "1x1", 4: "2x2", 8: "2x4", 16: "4x4", 32: "4x8", 64: "8x8"}
    | {128: "8x16", 256: "16x16"},
    3: {4: "2x2x1", 8: "2x2x2", 16: "2x2x4", 32: "2x4x4", 64: "4x4x4"}
    | {128: "4x4x8", 256: "4x8x8", 512: "8x8x8", 1024: "8x8x16"},
}


class Topology(NamedTuple):
    """Chips and how they are joined.

    Attributes:
      name: for example "v5e:16x16", "h100:4x8", "v5e:16x16x2slices".
      chip: the chip.
      shape: sizes of the torus, or hosts and GPUs of a host.
      slices: how many slices the network between hosts joins; 1 is one slice.
    """

    name: str
    chip: Chip
    shape: tuple[int, ...]
    slices: int = 1

    @property
    def count(self) -> int:
        """The number of chips."""
        return math.prod(self.shape) * self.slices

    @property
    def hosts(self) -> int:
        """The number of hosts."""
        return -(-self.count // (self.chip.host or self.shape[-1]))


def topology(name: str) -> Topology:
    """Reads the name of a topology.

    Args:
      name: chip and shape: "v5e:16x16", "v5p:8x8x4", "h100:4x8" (hosts x GPUs); a TPU
        may end in "x2slices".

    Returns:
      The topology.

    Raises:
      ValueError: if the chip is unknown or the shape does not fit it.

    Example:
      >>> topology("v5e:16x16").count
      256
    """
    chip_name, colon, shape_name = name.partition(":")
    if chip_name not in CHIPS:
        raise ValueError(f"no chip {chip_name!r} in {name!r}: {_choices(chip_name)}")
    chip = CHIPS[chip_name]
    parts = shape_name.split("x")
    slices = 1
    if chip.kind == "tpu" and parts[-1].endswith("slices"):
        slices = _number(parts.pop().removesuffix("slices"))
    shape = tuple(map(_number, parts))
    axes = chip.torus or 2
    if not colon or len(shape) != axes or min(shape) < 1 or slices < 1:
        example = "4x8" if chip.kind == "gpu" else _SLICES[axes][256]
        raise ValueError(
            f"topology {name!r} needs {axes} sizes, for example {chip_name}:{example}"
        )
    if chip.kind == "gpu" and shape[1] > HOST:
        raise ValueError(f"topology {name!r}: a host has at most {HOST} GPUs")
    return Topology(name, chip, shape, slices)


def sized(chip: Chip, count: int) -> Topology:
    """The usual topology of so many chips.

    Args:
      chip: the chip.
      count: how many of it.

    Returns:
      One slice where there is one, several of the largest beyond it.

    Raises:
      ValueError: if there is none of this number.
    """
    if chip.kind == "gpu":
        hosts = max(1, count // HOST)
        found = f"{hosts}x{count // hosts}" if count % hosts == 0 else ""
    else:
        known = _SLICES[chip.torus]
        largest = max(known)
        slices, rest = divmod(count, largest)
        found = known.get(count, "")
        if not found and slices and not rest:
            found = f"{known[largest]}x{slices}slices"
    if not found:
        raise ValueError(f"no usual topology of {count} {chip.name} chips")
    return topology(f"{chip.name}:{found}")


def devices_of(target: Topology) -> Sequence[Any]:
    """Devices to compile for; none of them need exist.

    Args:
      target: the topology.

    Returns:
      Devices that a mesh may be made of.

    Raises:
      ValueError: if the compiler for the chip is not installed, with the command that
        installs it; or if it does not know the topology.
    """
    package, extra, program = {
        "tpu": ("libtpu", "plan", "libtpu"),
        "gpu": ("jax_plugins.xla_cuda12", "plan-gpu", "JAX's CUDA plugin"),
    }[target.chip.kind]
    if not _installed(package):
        raise ValueError(
            f"compiling for {target.chip.name} needs {program}, which is not "
            f"installed: pip install 'sslax[{extra}]', in an environment of its own "
            "if this one trains on another device"
        )
    from jax.experimental import topologies

    platform, arguments = _description(target)
    try:
        return topologies.get_topology_desc(platform=platform, **arguments).devices
    except Exception as error:  # each plugin raises errors of its own
        raise ValueError(f"{target.name} is no topology: {error}") from error


def _description(target: Topology) -> tuple[str, dict[str, Any]]:
    if target.chip.kind == "gpu":
        hosts, count = target.shape
        text = (Path(__file__).parent / f"{target.chip.name}.txt").read_text()
        return "cuda", {"topology": f"1x{hosts}x{count}", "target_config": text}
    # Without these libtpu asks the network which slice this machine is part of.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    # A compiler needs no chip, so it may run beside another or beside a training run.
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
    shape = "x".join(map(str, target.shape))
    arguments: dict[str, Any] = {"topology_name": f"{target.chip.name}:{shape}"}
    if target.chip.name == "v4":  # two cores that programs see as one
        arguments["chip_config_name"] = "megacore"
    if target.slices > 1:
        arguments["num_slices"] = target.slices
    return "tpu", arguments


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _choices(name: str) -> str:
    return nearest(name, CHIPS)
