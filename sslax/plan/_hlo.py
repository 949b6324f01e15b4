"""The text of a compiled program: its computations and how often each runs."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = [
    "Instruction",
    "Program",
    "called",
    "executed",
    "largest_array",
    "op_name",
    "read_hlo",
    "shape_bytes",
]

_ARRAY = re.compile(r"([a-z][a-z0-9]*)\[([0-9,<= ]*)\](?:\{([^{}]*)\})?")
_COMMENT = re.compile(r"/\*.*?\*/")
_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) .*\{$")
_LINE = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (.*)$")
_NAME = re.compile(r"%([\w.\-]+)")
_CALLED = re.compile(
    r"(?:calls|to_apply|body|condition|true_computation|false_computation)="
    r"%?([\w.\-]+)|(?:branch_computations|called_computations)=\{([^}]*)\}"
)
_OP_NAME = re.compile(r'op_name="([^"]*)"')
_TURNS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


class Instruction(NamedTuple):
    """One line of a computation."""

    name: str
    shape: str
    opcode: str
    operands: tuple[str, ...]
    attributes: str
    root: bool


class Program(NamedTuple):
    """Computations by name, each a dict of instructions by name; and the entry."""

    computations: Mapping[str, Mapping[str, Instruction]]
    entry: str


def read_hlo(text: str) -> Program:
    """Reads the text of a compiled program.

    Args:
      text: as `compiled.as_text()` gives it.

    Returns:
      Its computations.

    Raises:
      ValueError: if the text has no entry computation.
    """
    computations: dict[str, dict[str, Instruction]] = {}
    entry, current = "", None
    for raw in text.splitlines():
        head = _HEAD.match(raw)
        if head:
            current = computations.setdefault(head[2], {})
            entry = head[2] if head[1] else entry
        elif current is not None and (line := _LINE.match(raw)):
            made = _instruction(line[2], _COMMENT.sub("", line[3]), bool(line[1]))
            current[made.name] = made
    if not entry:
        raise ValueError("the text of the compiled program has no ENTRY computation")
    return Program(computations, entry)


def _instruction(name: str, rest: str, root: bool) -> Instruction:
    shape, rest = _split(rest)
    opcode, _, rest = rest.partition("(")
    inside, attributes = _split("(" + rest)
    if opcode in ("constant", "parameter"):
        attributes = inside
    return Instruction(
        name, shape, opcode.strip(), tuple(_NAME.findall(inside)), attributes, root
    )


def _split(text: str) -> tuple[str, str]:
    """A leading word or bracketed group, and the rest."""
    if not text.startswith("("):
        word, _, rest = text.partition(" ")
        return word, rest
    depth = 0
    for i, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[: i + 1], text[i + 1 :].lstrip()
    return text, ""


@functools.cache
def shape_bytes(shape: str, *, padded: bool = False) -> int:
    """Bytes of an array or a tuple of arrays.

    Args:
      shape: as HLO writes it, for example "f32[8,128]{1,0:T(8,128)}".
      padded: count what the layout's tiles take, and nothing that is not in the chip's
        large memory.

    Returns:
      Bytes.

    Example:
      >>> shape_bytes("(f32[2,3], bf16[4])")
      32
      >>> shape_bytes("f32[2,3]{1,0:T(8,128)}", padded=True)
      4096
    """
    total = 0
    for kind, numbers, layout in _ARRAY.findall(shape):
        sizes = [int(n.replace("<=", "")) for n in numbers.split(",") if n.strip()]
        if padded and layout:
            if re.search(r"S\([1-9]\)", layout):
                continue
            sizes = _tiled(sizes, layout)
        digits = re.match(r"[a-z]+(\d+)", kind)
        bits = int(digits[1]) if digits else 8 * (kind == "pred")
        total += math.prod(sizes) * bits // 8
    return total


def _tiled(sizes: list[int], layout: str) -> list[int]:
    order, _, tiles = layout.partition(":")
    first = re.search(r"T\(([0-9,]+)\)", tiles)
    if not first or not sizes:
        return sizes
    tile = [int(n) for n in first[1].split(",")]
    minor_first = [int(n) for n in order.split(",") if n] or list(range(len(sizes)))
    sizes = list(sizes)
    for axis, width in zip(minor_first, reversed(tile), strict=False):
        sizes[axis] = -(-sizes[axis] // width) * width
    return sizes


def executed(program: Program) -> Iterator[tuple[str, float]]:
    """Computations that run as sequences of instructions, and how often.

    The bodies of loops are there as often as they run, the branch of a conditional that
    is largest once. Fused computations are not: they run as one instruction.

    Args:
      program: the program.

    Yields:
      Name of a computation and how often it runs; a name may come more than once.
    """
    stack = [(program.entry, 1.0)]
    while stack:
        name, times = stack.pop()
        yield name, times
        for instruction in program.computations[name].values():
            stack += _inside(program, instruction, times)


def _inside(program: Program, instruction: Instruction, times: float):
    names = called(instruction)
    if instruction.opcode == "while":
        body = re.search(r"body=%?([\w.\-]+)", instruction.attributes)
        turns = _turns(program, instruction)
        return [(body[1], times * turns)] if body else []
    if instruction.opcode == "conditional":
        largest = max(names, key=lambda n: len(program.computations.get(n, ())))
        return [(largest, times)]
    if instruction.opcode in ("call", "async-start"):
        return [(name, times) for name in names if name in program.computations]
    return []


def called(instruction: Instruction) -> list[str]:
    """Names of the computations that an instruction calls."""
    names: list[str] = []
    for one, several in _CALLED.findall(instruction.attributes):
        names += [one] if one else [n.strip().lstrip("%") for n in several.split(",")]
    return names


def op_name(instruction: Instruction) -> str:
    """The operation that an instruction comes from, in the program's own words."""
    found = _OP_NAME.search(instruction.attributes)
    return found[1].replace("\\'", "'") if found else ""


def largest_array(shape: str) -> str:
    """The array of most bytes in a shape, without its layout.

    Args:
      shape: as HLO writes it.

    Returns:
      Dtype and sizes; "" of an empty tuple.

    Example:
      >>> largest_array("(f32[2,3]{1,0:T(8,128)}, bf16[4])")
      'f32[2,3]'
    """
    arrays = [f"{kind}[{sizes}]" for kind, sizes, _ in _ARRAY.findall(shape)]
    return max(arrays, key=shape_bytes, default="")


def _turns(program: Program, loop: Instruction) -> int:
    known = _TURNS.search(loop.attributes)
    if known:
        return int(known[1])
    condition = re.search(r"condition=%?([\w.\-]+)", loop.attributes)
    lines = program.computations.get(condition[1], {}) if condition else {}
    # `i < n` from 0: the largest constant of the condition is n.
    bounds = [
        int(found[1])
        for line in _reachable(program, lines)
        if line.opcode == "constant"
        and (found := re.match(r"\((\d+)\)", line.attributes))
    ]
    return max([1, *bounds])


def _reachable(program: Program, lines: Mapping[str, Instruction]):
    for line in lines.values():
        yield line
        for name in called(line):
            yield from program.computations.get(name, {}).values()
