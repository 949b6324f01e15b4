"""The mesh, and where every array of a state lives on it.

Methods know nothing of devices: under `jit` with a global view, `z @ z.T` over a
sharded batch is the all-gather and batch norm over it is synchronised. The mesh has two
axes, both of which split the batch: over "data" the state is replicated, over "fsdp" a
layout may split it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from sslax.core import Method, Objective, Parts

__all__ = [
    "batch_sharding",
    "by_rule",
    "check_batch",
    "fsdp",
    "gathered",
    "layout",
    "make_mesh",
    "replicated",
    "start",
]

Rule = Callable[[str, tuple[int, ...], Mesh], PartitionSpec]


def start(
    *, coordinator: str | None = None, processes: int = 0, process_id: int = -1
) -> None:
    """Joins the other processes of a run, before anything touches a device.

    Args:
      coordinator: `host:port` of process 0; "auto" lets JAX find the cluster (TPU pods,
        SLURM, Open MPI, Kubernetes); None is a run of one process.
      processes: how many processes there are, for an explicit coordinator.
      process_id: the number of this one.
    """
    if coordinator is None:
        return
    if coordinator == "auto":
        jax.distributed.initialize()
    else:
        jax.distributed.initialize(coordinator, processes, process_id)


def make_mesh(
    *, data: int = -1, fsdp: int = 1, devices: Sequence[jax.Device] | None = None
) -> Mesh:
    """The mesh of a run, with axes "data" and "fsdp".

    Args:
      data: number of replicas; -1 takes what the devices leave.
      fsdp: number of devices over which a fully sharded state is split; -1 takes what
        the replicas leave.
      devices: the devices, all by default.

    Returns:
      A mesh with automatic axes (the partitioner chooses the collectives).

    Raises:
      ValueError: if the axes do not multiply to the number of devices.

    Example:
      >>> make_mesh(devices=jax.devices()[:1]).axis_names
      ('data', 'fsdp')
    """
    devices = jax.devices() if devices is None else devices
    count = len(devices)
    if data == -1 and fsdp > 0 and count % fsdp == 0:
        data = count // fsdp
    if fsdp == -1 and data > 0 and count % data == 0:
        fsdp = count // data
    if data * fsdp != count:
        raise ValueError(
            f"a mesh of data={data} x fsdp={fsdp} does not fit {count} devices; "
            f"fsdp must be one of {[n for n in range(1, count + 1) if count % n == 0]}"
        )
    # Explicit axes, the default, would make `z @ z.T` over a sharded batch an error.
    return jax.make_mesh(
        (data, fsdp), ("data", "fsdp"), (AxisType.Auto,) * 2, devices=devices
    )


def batch_sharding(mesh: Mesh, *, stacked: bool = False) -> NamedSharding:
    """Where a batch lives: its first axis over all devices.

    Args:
      mesh: the mesh.
      stacked: the batch has an axis of steps before the batch axis.

    Returns:
      The sharding of every leaf of a batch.
    """
    axes = ("data", "fsdp")
    return NamedSharding(mesh, PartitionSpec(*([None] * stacked), axes))


def check_batch(batch_size: int, mesh: Mesh) -> None:
    """Checks that a batch divides by the devices.

    Args:
      batch_size: the global batch.
      mesh: the mesh.

    Raises:
      ValueError: if it does not; the message has the nearest sizes.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1; got {batch_size}")
    count = mesh.size
    if batch_size % count:
        lower = batch_size // count * count
        sizes = [n for n in (lower, lower + count) if n > 0]
        raise ValueError(
            f"batch_size={batch_size} does not divide by {count} devices; "
            f"the nearest sizes are {' and '.join(map(str, sizes))}"
        )


# State with an entry for every image or key: splitting its first axis is natural.
BANKS = (r"^extra/(.*/)?bank",)
ROWS = (r"^extra/(.*/)?(queue|bank)",)


def replicated(*, rows: Sequence[str] = BANKS) -> Rule:
    """Every array whole on every device, but memory banks, which grow with the data.

    Args:
      rows: regular expressions of paths: the first axis of these arrays is split over
        all devices, where it divides; by default memory banks.

    Returns:
      A rule for `layout`.
    """

    def rule(path, shape, mesh):
        return _rows(path, shape, mesh, rows) or PartitionSpec()

    return rule


def fsdp(*, min_size: int = 2**16, rows: Sequence[str] = ROWS) -> Rule:
    """Fully sharded: every large array split over the "fsdp" axis.

    The largest axis that the number of devices divides is split; the optimizer state
    and the teacher follow their parameters, having the same shapes. With replicas of
    the split (data > 1 in the mesh) gradients are reduced inside a replica first.

    Args:
      min_size: arrays of fewer elements stay whole.
      rows: regular expressions of paths: the first axis of these arrays is split over
        all devices, replicas too; by default queues and memory banks.

    Returns:
      A rule for `layout`.
    """

    def rule(path, shape, mesh):
        ways = mesh.shape["fsdp"]
        fitting = [(n, -i) for i, n in enumerate(shape) if n % ways == 0]
        if math.prod(shape) < min_size:
            return PartitionSpec()
        split = _rows(path, shape, mesh, rows)
        if split or not fitting:
            return split or PartitionSpec()
        axis = -max(fitting)[1]
        return PartitionSpec(*([None] * axis), "fsdp")

    return rule


def _rows(path, shape, mesh, patterns) -> PartitionSpec | None:
    named = any(re.search(pattern, path) for pattern in patterns)
    if named and shape and shape[0] % mesh.size == 0:
        return PartitionSpec(("data", "fsdp"))
    return None


def by_rule(*, rules: Sequence[tuple[str, Sequence[Any]]]) -> Rule:
    """A layout by name: the first pattern found in an array's path decides.

    Args:
      rules: pairs of a regular expression and the mesh axis, or axes, of each array
        axis, for example `(("extra/queue", (("data", "fsdp"),)), ("fc1", (None,
        "fsdp")))`; what none matches is replicated.

    Returns:
      A rule for `layout`.
    """

    def rule(path, shape, mesh):
        del shape, mesh
        for pattern, axes in rules:
            if re.search(pattern, path):
                return PartitionSpec(*axes)
        return PartitionSpec()

    return rule


def layout(rule: Rule, mesh: Mesh, tree):
    """Applies a rule to every array of a tree.

    Args:
      rule: `(path, shape, mesh) -> PartitionSpec`, as `replicated` or `fsdp` give; the
        path is like "params/encoder/stem/kernel".
      mesh: the mesh.
      tree: arrays or their shapes.

    Returns:
      A tree of `NamedSharding` of the same structure.
    """

    def place(path, leaf):
        name = "/".join(_key(p) for p in path)
        return NamedSharding(mesh, rule(name, leaf.shape, mesh))

    return jax.tree_util.tree_map_with_path(place, tree)


def _key(entry) -> str:
    for attribute in ("key", "name", "idx"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)


def gathered(method: Method, shapes: Any) -> Method:
    """A method whose losses see whole arrays where a layout splits them over "fsdp".

    Without this the partitioner may leave the weights split and gather activations over
    the batch instead. Rows of queues and banks, which lie over all devices, stay where
    they are.

    Args:
      method: the method.
      shapes: shapes of the state, with shardings.

    Returns:
      The same method for one device; gradients come back split as their parameters.
    """
    layouts = (_shardings(shapes.params), _shardings(shapes.extra))

    def whole(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(params, extra, *others, **options):
            params, extra = map(_gather, (params, extra), layouts)
            return function(params, extra, *others, **options)

        return called

    def of_whole(objective: Objective) -> Objective:
        parts = objective.parts and Parts(*map(whole, objective.parts))
        return dataclasses.replace(objective, loss=whole(objective.loss), parts=parts)

    objectives = {name: of_whole(one) for name, one in method.objectives.items()}
    return dataclasses.replace(method, objectives=objectives)


def _shardings(shapes):
    return jax.tree.map(lambda leaf: leaf.sharding, shapes)


def _gather(tree, layout):
    def gather(leaf, sharding):
        return _whole(leaf, sharding) if "fsdp" in sharding.spec else leaf

    return jax.tree.map(gather, tree, layout)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _whole(leaf: Array, sharding: NamedSharding) -> Array:
    whole = NamedSharding(sharding.mesh, PartitionSpec())
    return jax.lax.with_sharding_constraint(leaf, whole)


def _whole_forward(leaf, sharding):
    return _whole(leaf, sharding), None


def _whole_backward(sharding, residual, gradient):
    # The constraint's own transpose would ask for the whole gradient everywhere.
    del residual
    return (jax.lax.with_sharding_constraint(gradient, sharding),)


_whole.defvjp(_whole_forward, _whole_backward)
