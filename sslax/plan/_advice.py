"""What would make a step fit: estimates, to be compiled before they are believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from sslax import calls, sharding
from sslax.plan._compile import Step, chip_bytes
from sslax.plan._options import has_option, takes, with_layout, with_option
from sslax.plan._topologies import Topology, devices_of
from sslax.sharding import Rule

__all__ = ["advice"]

# What remains of the activations: the inputs of the blocks, and one block.
_WITH_REMAT = 0.3


def advice(step: Step, target: Topology) -> list[str]:
    """Flags that would make a step fit.

    The memory is taken as the state, which a layout splits, and activations, which go
    with the batch and which remat computes again.

    Args:
      step: a step that does not fit.
      target: the topology.

    Returns:
      Lines like "--layout=fsdp:16: about 9.1 GiB on each chip", the estimates that fit
      first; empty when the compiler did not say how much it needs.
    """
    if not step.needed:
        return []
    state = chip_bytes(step.state)
    activations = max(0, step.needed - state)
    found = [
        (f"--layout={name}", size + activations)
        for name, size in _layouts(step, target).items()
    ]
    if has_option(step.config, "remat"):
        once = with_option(step.config, "remat", True)
        if once["method"] != step.config["method"]:
            flags = " ".join(_remat_flags(step.config["method"], "config.method"))
            found.append((flags, state + _WITH_REMAT * activations))
    batch = step.config["batch_size"]
    room = max(0.0, target.chip.usable - state) / max(activations, 1)
    smaller = int(batch * room) // target.count * target.count
    if 0 < smaller < batch:
        part = state + activations * smaller / batch
        found.append((f"--config.batch_size={smaller}", part))
    found.sort(key=lambda pair: pair[1] > target.chip.usable)
    return [_line(flags, size, target) for flags, size in found]


def _line(flags: str, size: float, target: Topology) -> str:
    fits = "" if size <= target.chip.usable else ", too much still"
    return f"{flags}: about {size / 2**30:.1f} GiB on each chip{fits}"


def _layouts(step: Step, target: Topology) -> dict[str, int]:
    """Bytes of the state on each chip, by layout."""
    near = target.shape[-1] if target.chip.kind == "gpu" else max(target.shape)
    sizes, devices = {}, devices_of(target)
    for name in dict.fromkeys(("replicated", f"fsdp:{near}", "fsdp")):
        config = with_layout(step.config, name)
        mesh = sharding.make_mesh(**config["mesh"], devices=devices)
        rule = calls.build(config["layout"], Rule)
        placed = sharding.layout(rule, mesh, step.state)
        leaves = _placed(step.state, placed)
        if (size := chip_bytes(leaves)) < chip_bytes(step.state):
            sizes[name] = size
    return sizes


def _placed(state: Any, layout: Any) -> Any:
    return jax.tree.map(
        lambda leaf, where: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=where
        ),
        state,
        layout,
    )


def _remat_flags(spec: Mapping[str, Any], path: str) -> list[str]:
    flags = []
    for name, value in spec.items():
        if isinstance(value, Mapping) and "name" in value:
            if takes(value, "remat"):
                flags.append(f"--{path}.{name}.remat=True")
            flags += _remat_flags(value, f"{path}.{name}")
    return flags
