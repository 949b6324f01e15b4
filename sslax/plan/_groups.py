"""Which chips take part in a collective, in each form that compilers write it."""

from __future__ import annotations

import re

import numpy as np

__all__ = ["distance_sent", "group_of"]

# Axes of a mesh with those that a group spans, and the order of the devices in it:
# replica_groups=mesh['a'=4,'b'=2], device_ids=([2,4]T(1,0)) {'a'}
_MESH = re.compile(
    r"replica_groups=mesh\[([^\]]*)\](?:, device_ids=\(([^{]*)\))? \{([^}]*)\}"
)
_IOTA = r"\[([\d,]+)\](?:T\(([\d,]+)\))?"
_ROWS = re.compile(rf"replica_groups=\[(\d+),(\d+)\]<={_IOTA}")
_LISTED = re.compile(r"replica_groups=\{\{([\d,]+)\}")
_ALL = re.compile(r"replica_groups=\{\}")


def group_of(attributes: str, chips: int) -> tuple[int, int]:
    """Chips in a group of a collective, and the distance between its first two.

    Args:
      attributes: of the instruction.
      chips: of the program: the group of a collective that names none.

    Returns:
      The size of a group, and the difference of the numbers of two chips.

    Raises:
      ValueError: if groups are named in a form that is not known: what a collective
        takes depends on them too much to let them be all chips.

    Example:
      >>> group_of("replica_groups={{0,2},{1,3}}", 4)
      (2, 2)
    """
    if mesh := _MESH.search(attributes):
        return _along(*mesh.groups())
    if rows := _ROWS.search(attributes):
        return _spread(_devices(rows[3], rows[4])[: int(rows[2])])
    if listed := _LISTED.search(attributes):
        return _spread(np.array(_numbers(listed[1])))
    if "replica_groups=" in attributes and not _ALL.search(attributes):
        unknown = attributes[attributes.index("replica_groups=") :][:80]
        raise ValueError(
            f"groups of a collective in a form that is not known: {unknown}"
        )
    return chips, 1


def distance_sent(attributes: str) -> int:
    """How far apart, by number of the chip, the first pair of a permutation is."""
    pair = re.search(r"source_target_pairs=\{\{(\d+),(\d+)\}", attributes)
    return max(1, abs(int(pair[1]) - int(pair[2]))) if pair else 1


def _along(axes: str, order: str | None, used: str) -> tuple[int, int]:
    sizes = {name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", axes)}
    names = re.findall(r"'(\w+)'", used)
    shape = tuple(sizes.values())
    if iota := re.fullmatch(_IOTA, order or ""):
        devices = _devices(iota[1], iota[2])
    else:
        devices = (
            np.array(_numbers(order or "")) if order else np.arange(np.prod(shape))
        )
    cut = tuple(slice(None) if name in names else 0 for name in sizes)
    return _spread(devices.reshape(shape)[cut].ravel())


def _devices(sizes: str, order: str | None) -> np.ndarray:
    """Consecutive numbers, reshaped, transposed and laid flat again."""
    shape = _numbers(sizes)
    numbers = np.arange(np.prod(shape)).reshape(shape)
    return numbers.transpose(_numbers(order) if order else None).ravel()


def _spread(members: np.ndarray) -> tuple[int, int]:
    far = abs(int(members[1]) - int(members[0])) if len(members) > 1 else 1
    return len(members), far


def _numbers(text: str) -> list[int]:
    return [int(n) for n in text.split(",") if n]
