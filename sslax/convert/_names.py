"""How an array of ours is called in PyTorch, and how its layout changes.

A table is read from our side: each of our arrays has one name there and one exact
change of layout. Both directions follow from it, so they cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "CONV",
    "MAP",
    "MATRIX",
    "POINTWISE",
    "ROW",
    "SAME",
    "VECTOR",
    "Name",
    "Table",
    "Transform",
    "name_in_torch",
]


class Transform(NamedTuple):
    """A change of layout and its inverse, both exact, of NumPy and of JAX arrays."""

    to_ours: Callable[[Any], Any]
    to_torch: Callable[[Any], Any]


class Name(NamedTuple):
    """The name of one array in torch.

    Attributes:
      torch: the name; None where the other side has no such array.
      transform: the change of layout.
      otherwise: where to read it if that name is not there, or None.
    """

    torch: str | None
    transform: Transform
    otherwise: str | None = None


# Tensors of PyTorch that are no weights.
BUFFERS = (r"(.*\.)?(num_batches_tracked|relative_position_index|attn_mask)",)


class Table(NamedTuple):
    """The names of a family. `{i}` in a name stands for a number.

    Attributes:
      layers: (our layer, theirs) or (our layer, theirs, transform of the kernel).
      arrays: (our array, theirs, transform) or the same and a second name to read.
      fixed: arrays that they store and we compute, by their names.
      left_out: patterns of what a file may hold beside this network.
    """

    layers: tuple[tuple[Any, ...], ...]
    arrays: tuple[tuple[Any, ...], ...] = ()
    fixed: Mapping[str, np.ndarray] = {}
    left_out: tuple[str, ...] = ()


SAME = Transform(lambda x: x, lambda x: x)
MATRIX = Transform(lambda x: x.T, lambda x: x.T)
CONV = Transform(lambda x: x.transpose(2, 3, 1, 0), lambda x: x.transpose(3, 2, 0, 1))
# A 1x1 convolution there, a linear layer here.
POINTWISE = Transform(lambda x: x[:, :, 0, 0].T, lambda x: x.T[:, :, None, None])
ROW = Transform(lambda x: x[None], lambda x: x[0])
VECTOR = Transform(lambda x: x[None, None], lambda x: x[0, 0])
# Flattened maps of 6x6: (channel, row, column) there, (row, column, channel) here.
MAP = Transform(
    lambda x: (
        x.reshape(x.shape[0], -1, 6, 6).transpose(2, 3, 1, 0).reshape(-1, x.shape[0])
    ),
    lambda x: (
        x.reshape(6, 6, -1, x.shape[1]).transpose(3, 2, 0, 1).reshape(x.shape[1], -1)
    ),
)

_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
_BY_RANK = {2: MATRIX, 4: CONV}


def name_in_torch(table: Table, path: str, rank: int) -> Name | None:
    """The name of one of our arrays; None if the table has none.

    Args:
      table: of the family.
      path: its path among the parameters or the statistics, "a/b/kernel".
      rank: its number of axes.
    """
    for ours, theirs, *special in table.layers:
        match = _match(f"{ours}/(?P<leaf>{'|'.join(_LEAVES)})", path)
        if match:
            leaf = match["leaf"]
            layer = theirs.format(**match.groupdict())
            kernel = special[0] if special else _BY_RANK.get(rank, SAME)
            name = f"{layer}.{_LEAVES[leaf]}" if layer else _LEAVES[leaf]
            return Name(name, kernel if leaf == "kernel" else SAME)
    for ours, theirs, transform, *otherwise in table.arrays:
        match = _match(ours, path)
        if match:
            found = theirs and theirs.format(**match.groupdict())
            return Name(found, transform, *otherwise)
    return None


def _match(template: str, path: str):
    return re.fullmatch(re.sub(r"\{(\w)\}", r"(?P<\1>\\d+)", template), path)
