"""What a compiled program moves: over the links by kind, and through memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sslax.plan._groups import distance_sent, group_of
from sslax.plan._hlo import (
    Instruction,
    Program,
    called,
    executed,
    largest_array,
    op_name,
    shape_bytes,
)

__all__ = ["Collective", "collectives", "memory_traffic", "traffic"]

KINDS = (
    "all-gather",
    "all-reduce",
    "all-to-all",
    "collective-broadcast",
    "collective-permute",
    "ragged-all-to-all",
    "reduce-scatter",
)


class Collective(NamedTuple):
    """Equal collectives of a program.

    Attributes:
      kind: for example "all-reduce".
      bytes: what each chip gives into one of them.
      group: how many chips take part in one.
      stride: the distance between two of them, by number of the chip.
      count: how often it runs in a step.
      hidden: whether it starts and ends apart, beside other work.
      dtype: of what is sent, for example "bf16".
      where: the operation that it comes from, in the program's own words.
      array: dtype and shape of the largest array that each chip gives.
    """

    kind: str
    bytes: int
    group: int
    stride: int
    count: float
    hidden: bool
    dtype: str
    where: str
    array: str = ""


def collectives(program: Program, *, chips: int) -> list[Collective]:
    """The collectives of a step, in every form that compilers write them.

    Args:
      program: the compiled program.
      chips: how many chips run it: the group of a collective that names none.

    Returns:
      One entry for each collective of the text, with how often it runs.
    """
    found = []
    for name, times in executed(program):
        lines = program.computations[name]
        for line in lines.values():
            found += _of_line(program, line, lines, times, chips)
    return found


def _of_line(program, line, lines, times, chips) -> list[Collective]:
    kind, start, done = _kind(line.opcode)
    if kind and not done:
        return [_collective(kind, start, line, lines, times, chips)]
    if line.opcode != "fusion":
        return []
    # TPU fuses a reduction of gradients with the cut to a chip's own share.
    made = []
    for inner_name in called(line):
        inner = program.computations.get(inner_name, {})
        scatters = "reduce-scatter" in inner_name or "reduce-scatter" in line.name
        scatters |= "all-reduce-scatter" in inner_name
        for one in inner.values():
            inner_kind, start, done = _kind(one.opcode)
            if inner_kind and not done:
                kind = "reduce-scatter" if scatters else inner_kind
                found = _collective(kind, start, one, inner, times, chips)
                made.append(found._replace(where=found.where or op_name(line)))
    return made


def _kind(opcode: str) -> tuple[str, bool, bool]:
    """Kind, whether it is the start of one, and whether its end."""
    base = opcode.removesuffix("-start").removesuffix("-done")
    return (
        base if base in KINDS else "",
        opcode.endswith("-start"),
        opcode.endswith("-done"),
    )


def _collective(kind, start, line: Instruction, lines, times, chips) -> Collective:
    shapes = [lines[name].shape for name in line.operands if name in lines]
    group, stride = group_of(line.attributes, chips)
    if kind == "collective-permute":
        group, stride = 2, distance_sent(line.attributes)
    dtype = re.match(r"\(*([a-z]+\d*)", shapes[0] if shapes else line.shape)
    return Collective(
        kind=kind,
        bytes=sum(map(shape_bytes, shapes)),
        group=group,
        stride=stride,
        count=times,
        hidden=start and '"is_sync":true' not in line.attributes,
        dtype=dtype[1] if dtype else "",
        where=op_name(line),
        array=largest_array(" ".join(shapes) or line.shape),
    )


# These name or regroup what is there; the ends of copies were counted at their starts.
_FREE = frozenset(
    (
        "parameter",
        "constant",
        "tuple",
        "get-tuple-element",
        "bitcast",
        "after-all",
        "partition-id",
        "replica-id",
        "while",
        "conditional",
        "call",
        "async-start",
        "async-done",
        "async-update",
        "copy-done",
        "domain",
        "opt-barrier",
        "optimization-barrier",
        "add-dependency",
    )
)
_CUTS = ("dynamic-slice", "slice", "gather")


def memory_traffic(program: Program) -> float:
    """Bytes that a step reads from and writes to a chip's large memory.

    Every instruction reads its operands and writes its result; what is fused stays on
    the chip. A part that is cut out of an array counts, not the array.

    Args:
      program: the compiled program.

    Returns:
      Bytes.
    """
    return sum(moved * times for _, moved, times in traffic(program))


def traffic(program: Program) -> Iterator[tuple[Instruction, float, float]]:
    """What each instruction of a step moves through a chip's large memory.

    Args:
      program: the compiled program.

    Yields:
      An instruction, the bytes that it reads and writes, and how often it runs.
    """
    for name, times in executed(program):
        lines = program.computations[name]
        for line in lines.values():
            yield line, _moved(program, line, lines), times


def _moved(program: Program, line: Instruction, lines) -> float:
    if line.opcode in _FREE or line.opcode.endswith("-done"):
        return 0.0
    out = shape_bytes(line.shape, padded=True)
    if line.opcode in _CUTS:
        return 2.0 * out
    operands = [lines[n].shape for n in line.operands if n in lines]
    read = [shape_bytes(shape, padded=True) for shape in operands]
    if line.opcode.endswith("-start"):  # its result repeats the operand
        return 2.0 * sum(read)
    if line.opcode == "dynamic-update-slice":
        return 2.0 * (read[1] if len(read) > 1 else out)
    if line.opcode == "fusion":
        return _of_fusion(program, line, read, out)
    return out + sum(read)


def _of_fusion(program: Program, line: Instruction, read: list[int], out: int) -> float:
    inner = program.computations.get(next(iter(called(line)), ""), {})
    arguments = [one for one in inner.values() if one.opcode == "parameter"]
    users: dict[str, list[Instruction]] = {one.name: [] for one in arguments}
    for one in inner.values():
        for operand in one.operands:
            if operand in users:
                users[operand].append(one)
    ordered = sorted(arguments, key=lambda one: _place(one))
    total = 0.0
    for one, size in zip(ordered, read, strict=False):
        total += _read_by(users[one.name], one, inner, size)
    root = next((one for one in inner.values() if one.root), None)
    if root is not None and root.opcode == "dynamic-update-slice":
        update = inner.get(root.operands[1])
        return total + (shape_bytes(update.shape) if update else out)
    return total + out


def _place(parameter: Instruction) -> int:
    return int(parameter.attributes.strip("()") or 0)


def _read_by(users: list[Instruction], argument: Instruction, inner, size: int):
    """Bytes of an argument of a fusion that are read."""
    if users and all(user.opcode in _CUTS for user in users):
        return min(size, sum(shape_bytes(user.shape, padded=True) for user in users))
    updated = all(
        user.opcode == "dynamic-update-slice" and user.operands[0] == argument.name
        for user in users
    )
    return 0 if users and updated else size
