"""A network that a name or a call means, and what its arrays are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

from sslax import calls
from sslax.checks import check_choice
from sslax.convert._names import Name, Table, name_in_torch
from sslax.convert._released import call_of, family_of, input_of
from sslax.convert._report import shape_text
from sslax.convert._tables import table_of
from sslax.core import Net

__all__ = ["Target", "addresses", "check_arrays", "names_of", "target_of"]

SOURCES = ("timm", "torch")


class Target(NamedTuple):
    """A network and what its arrays are called.

    Attributes:
      call: the call that makes it.
      net: the network.
      inputs: shapes of its inputs.
      shapes: its arrays' shapes by (collection, path), "params" or one of statistics.
      table: their names in torch.
    """

    call: Mapping[str, Any]
    net: Net
    inputs: Sequence[Any]
    shapes: Mapping[tuple[str, str], Any]
    table: Table


def target_of(model, *, source="timm", image_size=None, inputs=None) -> Target:
    """The network that a name or a call means."""
    check_choice(SOURCES, source=source)
    call, side = call_of(model)
    net = calls.build(call, Net)
    if inputs is None:
        inputs = (input_of(call, image_size or side),)
    try:
        params, stats = _shapes(call, inputs)
    except (TypeError, IndexError) as error:
        raise ValueError(
            f"{call['name']} is not a network of images; give inputs, arrays or shapes "
            f"as its own inputs ({error})"
        ) from error
    shapes = addresses(params, stats)
    table = table_of(
        *family_of(call),
        source=source,
        sizes=[x.shape for x in inputs],
        arrays={path: x for (where, path), x in shapes.items() if where == "params"},
    )
    return Target(call, net, tuple(inputs), shapes, table)


def _shapes(call, inputs):
    """Shapes of parameters and statistics, blocks one by one."""
    plain = {k: v for k, v in call.items() if k != "scan"}
    init = calls.build(plain, Net).init
    return jax.eval_shape(init, jax.random.key(0), *inputs)


def check_arrays(arrays: Mapping[tuple[str, str], Any], target: Target) -> None:
    """Raises unless the arrays are those of the network, name by name."""
    lines = []
    for address in sorted(arrays.keys() | target.shapes.keys()):
        has, wants = (
            shape_text(table[address].shape) if address in table else "nothing"
            for table in (arrays, target.shapes)
        )
        if has != wants:
            lines.append(f"{'/'.join(address)}: there is {has}, the net has {wants}")
    if lines:
        listed = "\n  ".join(lines)
        raise ValueError(f"the arrays are not of {target.call['name']}:\n  {listed}")


def names_of(target: Target) -> dict[tuple[str, str], Name]:
    """The names of all arrays of a network."""
    names = {}
    for (where, path), shape in target.shapes.items():
        name = name_in_torch(target.table, path, len(shape.shape))
        if name is None:
            raise ValueError(
                f"{path} of {target.call} has no name in torch that is known here"
            )
        names[where, path] = name
    return names


def addresses(params, stats) -> dict[tuple[str, str], Any]:
    """Arrays by (collection, path)."""
    return {
        (where, jax.tree_util.keystr(path, simple=True, separator="/")): leaf
        for where, tree in {"params": params, **stats}.items()
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
