"""Rows of features in blocks, over the devices of this process.

Every process of a run evaluates by itself. Were rows shared with other hosts, a
rounding that differs would send the searches of two of them different ways, and each
would wait for the other.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

ROWS = PartitionSpec("rows")
# Bytes that one device takes alone, though there are others.
_ALONE = 2**26


def mesh_for(x: Any, *others: Any) -> Mesh | None:
    """The devices that share the rows of x; None where one does it, or inside `jit`."""
    devices = jax.local_devices()
    traced = any(isinstance(a, jax.core.Tracer) for a in (x, *others))
    alone = traced or len(devices) == 1 or x.nbytes <= _ALONE
    return None if alone else mesh_of(devices)


def mesh_of(devices: list[jax.Device]) -> Mesh:
    """A mesh with the axis "rows"."""
    return jax.make_mesh((len(devices),), ("rows",), (AxisType.Auto,), devices=devices)


def count_of(mesh: Mesh | None) -> int:
    """How many devices."""
    return 1 if mesh is None else mesh.size


def fits(x: Any, mesh: Mesh | None) -> bool:
    """Whether devices may hold the rows: a quarter of their memory, 1 GiB if unknown.

    The state of a training may lie beside them.
    """
    stats = jax.local_devices()[0].memory_stats() or {}
    return x.nbytes <= count_of(mesh) * max(stats.get("bytes_limit", 0) // 4, 2**30)


def block_size(rows: int, most: int, mesh: Mesh | None) -> int:
    """Rows of blocks of one size, of which each device takes about `most`, or fewer."""
    devices = count_of(mesh)
    blocks = -(-rows // (most * devices))
    return -(-rows // (blocks * devices)) * devices


def block(x: Any, start: int, size: int, mesh: Mesh | None, *, fill: Any = 0) -> Any:
    """Rows from `start` on, over the devices of a mesh; what is missing is filled.

    Without a mesh they stay where they are.
    """
    if mesh is None:
        return _filled(x[start : start + size], size, fill)

    def part(index):
        first, last, _ = index[0].indices(size)
        return _filled(x[start + first : start + last], last - first, fill)

    shape = (size, *x.shape[1:])
    return jax.make_array_from_callback(shape, NamedSharding(mesh, ROWS), part)


def everywhere(tree: Any, mesh: Mesh | None) -> Any:
    """Arrays whole on every device of a mesh."""
    if mesh is None:
        return tree
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def _filled(rows: Any, size: int, fill: Any) -> Any:
    missing = size - rows.shape[0]
    if not missing:
        return rows
    module = np if isinstance(rows, np.ndarray) else jnp
    widths = [(0, missing)] + [(0, 0)] * (rows.ndim - 1)
    return module.pad(rows, widths, constant_values=fill)


def taken(x: Array, rows: np.ndarray, mesh: Mesh | None) -> Array:
    """Rows of what `block` has placed, whole on every device."""
    return x[rows] if mesh is None else _taken(x, rows, mesh=mesh)


@functools.partial(jax.jit, static_argnames=("mesh",))
def _taken(x, rows, *, mesh):
    def own(x, rows):
        at = rows - jax.lax.axis_index("rows") * x.shape[0]
        here = (at >= 0) & (at < x.shape[0])
        found = jnp.where(here[..., None], x[jnp.where(here, at, 0)], 0)
        return jax.lax.psum(found, "rows")

    specs = (ROWS, PartitionSpec())
    return jax.shard_map(own, mesh=mesh, in_specs=specs, out_specs=PartitionSpec())(
        x, rows
    )
