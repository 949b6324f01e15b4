"""What moves most in a compiled step: through memory, and over the links."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sslax.plan._hlo import Instruction, Program, called, largest_array, op_name
from sslax.plan._network import collective_seconds, link_bytes
from sslax.plan._topologies import Topology
from sslax.plan._traffic import Collective, traffic

__all__ = ["Mover", "movers", "readable", "senders"]


class Mover(NamedTuple):
    """Like instructions of a program, and what they move in a step.

    Attributes:
      bytes: through the memory of a chip, or over its links, all runs together.
      share: of what the whole step moves.
      count: how often one of them runs in a step.
      opcode: of the instruction; a fusion with the heaviest of what it fuses.
      array: dtype and shape of its largest result, of a collective what it is given.
      where: the operation it comes from, see `readable`; numbers that differ among the
        instructions are "*".
      backward: whether it is part of a gradient.
      seconds: of a collective, all runs together; 0 of what moves through memory.
    """

    bytes: float
    share: float
    count: float
    opcode: str
    array: str
    where: str
    backward: bool
    seconds: float = 0.0


def movers(program: Program) -> list[Mover]:
    """What moves most bytes of a chip's memory.

    Instructions are alike when opcode, dtype and shape are equal, and the operations
    they come from are but for numbers, as those of the layers of a network.

    Args:
      program: the compiled program.

    Returns:
      Groups of like instructions, the largest first; their bytes are all that
      `memory_traffic` counts.
    """
    return _grouped(
        Mover(
            bytes=moved * times,
            share=0.0,
            count=times,
            opcode=_opcode(program, line),
            array=largest_array(line.shape),
            where=where,
            backward=backward,
        )
        for line, moved, times in traffic(program)
        if moved
        for where, backward in [readable(op_name(line))]
    )


def senders(sent: Sequence[Collective], target: Topology) -> list[Mover]:
    """What moves most bytes over the links.

    Args:
      sent: the collectives of a step.
      target: the chips and how they are joined.

    Returns:
      Groups of like collectives, as in `movers`, the largest first; bytes are those
      that leave each chip in an algorithm that sends no more than it must.
    """
    return _grouped(
        Mover(
            bytes=one.count * link_bytes(one),
            share=0.0,
            count=one.count,
            opcode=f"{one.kind} over {one.group}",
            array=one.array,
            where=where,
            backward=backward,
            seconds=one.count * collective_seconds(one, target),
        )
        for one in sent
        for where, backward in [readable(one.where)]
    )


def _grouped(found: Iterable[Mover]) -> list[Mover]:
    groups: dict[tuple, Mover] = {}
    for one in found:
        alike = re.sub(r"\d+", "*", one.where)
        key = (one.opcode, one.array, alike, one.backward)
        known = groups.get(key)
        groups[key] = one if known is None else _sum(known, one, alike)
    total = sum(one.bytes for one in groups.values()) or 1.0
    ordered = sorted(groups.values(), key=lambda one: -one.bytes)
    return [one._replace(share=one.bytes / total) for one in ordered]


def _sum(a: Mover, b: Mover, alike: str) -> Mover:
    return a._replace(
        bytes=a.bytes + b.bytes,
        count=a.count + b.count,
        seconds=a.seconds + b.seconds,
        where=a.where if a.where == b.where else alike,
    )


# How JAX and compilers call what wraps an operation, and says nothing of it.
_WRAPPERS = frozenset(("while", "body", "cond", "closed_call", "checkpoint", ""))
_WRAPPED = re.compile(r"(?:jit|jvp|vmap|pjit|custom_\w+)\(([^()]*)\)")


def readable(name: str) -> tuple[str, bool]:
    """The part of an operation's name that people read.

    Args:
      name: `op_name` of a compiled instruction.

    Returns:
      Parts of the program with slashes between them, without what wraps them; and
      whether the operation is part of a gradient.

    Example:
      >>> readable("jit(step)/ssl/transpose(jvp(encoder))/layer3/jit(relu)/max")
      ('ssl/encoder/layer3/relu/max', True)
    """
    backward = "transpose(" in name
    name = name.replace("<locals>.", "")
    name = re.sub(r"\[['\"]?([^\]'\"]*)['\"]?\]", r"/\1", name)
    name = re.sub(r"^jit\([^()]*\)/", "", name)
    previous = None
    while name != previous:
        previous, name = name, _WRAPPED.sub(r"\1", name)
        name = re.sub(r"(^|[/(:])transpose\(([^()]*)\)", r"\1\2", name)
    # Instructions that were made one have the names of all: the first stands for them.
    name, *more = name.replace("(", "").replace(")", "").split(":")
    parts = [part for part in name.split("/") if part not in _WRAPPERS]
    parts = [part for part, _ in itertools.groupby(parts)]
    return "/".join(parts) + (f" and {len(more)} more" if more else ""), backward


# What makes a fusion expensive, the heaviest first.
_HEAVY = (
    "convolution",
    "dot",
    "custom-call",
    "sort",
    "scatter",
    "gather",
    "dynamic-update-slice",
    "reduce-window",
    "reduce",
    "transpose",
    "copy",
    "convert",
)


def _opcode(program: Program, line: Instruction) -> str:
    if line.opcode != "fusion":
        return line.opcode
    codes = _fused(program, line)
    heaviest = next((code for code in _HEAVY if code in codes), "")
    return f"fusion of {heaviest}" if heaviest else "fusion"


def _fused(program: Program, line: Instruction) -> set[str]:
    """Opcodes of a fusion, and of fusions in it."""
    codes: set[str] = set()
    for name in called(line):
        for one in program.computations.get(name, {}).values():
            codes |= {one.opcode} if one.opcode != "fusion" else _fused(program, one)
    return codes
