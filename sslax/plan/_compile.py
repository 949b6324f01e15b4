"""The train step of a config, compiled for chips that are not here."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from sslax import sharding
from sslax.plan._flops import Flops, count_flops
from sslax.plan._hlo import read_hlo
from sslax.plan._kernels import calls_kernels
from sslax.plan._movers import Mover, movers
from sslax.plan._options import batch_shapes, has_option, with_option
from sslax.plan._topologies import Topology, devices_of
from sslax.plan._traffic import Collective, collectives, memory_traffic
from sslax.program import Program, build_program

__all__ = ["Step", "chip_bytes", "compile_for", "compile_traced"]


class Step(NamedTuple):
    """What is known of a step that was lowered and compiled.

    Attributes:
      config: the config.
      state: shapes of the state, with shardings.
      model: operations that the method asks for, of all chips.
      done: operations with what is computed twice, sides padded to the chip's unit.
      fits: whether it compiles and its memory suffices.
      cause: why not, in a sentence; "" when it fits.
      arguments: bytes on each chip: state and batch.
      temporaries: bytes that the step takes beside them.
      needed: bytes that must be free, at most the sum of both; 0 when unknown.
      traffic: bytes through the memory of a chip in a step.
      sent: its collectives.
      moved: what moves that traffic, the largest first.
    """

    config: Mapping[str, Any]
    state: Any
    model: Flops
    done: Flops
    fits: bool
    cause: str
    arguments: int = 0
    temporaries: int = 0
    needed: int = 0
    traffic: float = 0.0
    sent: tuple[Collective, ...] = ()
    moved: tuple[Mover, ...] = ()


def compile_for(config: Mapping[str, Any], target: Topology, *, effort: str) -> Step:
    """Lowers and compiles the step that training runs, from shapes alone.

    Args:
      config: the resolved config.
      target: what to compile for.
      effort: of the compiler: "O0", "O1", "O2" or "O3".

    Returns:
      What the step is and takes.

    Raises:
      ValueError: if the config is wrong, its batch does not divide by the chips, or the
        compiler for the chip is not installed.
    """
    devices = devices_of(target)
    config = {**config, "steps_per_call": 1}
    program, arguments = _program(config, devices)
    traced = program.train_step.trace(*arguments)
    known = {
        "config": config,
        "state": program.shapes,
        "model": _model_flops(config, traced.jaxpr, devices[:1]),
        "done": count_flops(traced.jaxpr, tile=target.chip.tile),
    }
    try:
        compiled = compile_traced(traced, target, effort=effort)
    except jax.errors.JaxRuntimeError as error:
        needed, cause = _cause(str(error))
        size = chip_bytes(program.shapes)
        return Step(fits=False, cause=cause, needed=needed, arguments=size, **known)
    text = read_hlo(compiled.as_text())
    taken = compiled.memory_analysis()
    outputs = taken.output_size_in_bytes - taken.alias_size_in_bytes
    held = taken.argument_size_in_bytes
    needed = held + taken.temp_size_in_bytes + max(outputs, 0)
    return Step(
        fits=needed <= target.chip.usable,
        cause="" if needed <= target.chip.usable else _too_large(needed, target),
        arguments=held,
        temporaries=taken.temp_size_in_bytes,
        needed=needed,
        traffic=memory_traffic(text),
        sent=tuple(collectives(text, chips=target.count)),
        moved=tuple(movers(text)),
        **known,
    )


def _program(config: Mapping[str, Any], devices: Any) -> tuple[Program, tuple]:
    """The program of training, and shapes of the arguments of its step."""
    mesh = sharding.make_mesh(**config["mesh"], devices=devices)
    batch = batch_shapes(config)
    program = build_program(config, mesh, batch)
    where = sharding.batch_sharding(mesh)
    batch = {
        name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where)
        for name, x in batch.items()
    }
    key = jax.eval_shape(lambda: jax.random.key(0))
    whole = NamedSharding(mesh, PartitionSpec())
    key = jax.ShapeDtypeStruct(key.shape, key.dtype, sharding=whole)
    return program, (program.shapes, batch, key)


def _model_flops(config: Mapping[str, Any], jaxpr: Any, devices: Any) -> Flops:
    """Operations without what remat, micro-batches and kernels compute twice."""
    once = {**config, "accumulate": 1}
    if has_option(config, "remat"):
        once = with_option(once, "remat", False)
    if calls_kernels(jaxpr) and has_option(config, "attention"):
        once = with_option(once, "attention", "xla")
    if once == config:
        return count_flops(jaxpr)
    once["mesh"] = {"data": 1, "fsdp": 1}
    once = with_option(once, "scan", True)  # counts the same and is traced faster
    program, arguments = _program(once, devices)
    return count_flops(program.train_step.trace(*arguments).jaxpr)


def compile_traced(traced: Any, target: Topology, *, effort: str) -> Any:
    """The compiled program, as `sslax plan` has it of a training step."""
    platform = "cuda" if target.chip.kind == "gpu" else target.chip.kind
    lowered, options = traced.lower(lowering_platforms=(platform,)), {}
    if target.chip.kind == "gpu":  # its tiles are chosen by running them
        options["xla_gpu_enable_triton_gemm"] = False
    level = jax.config.jax_optimization_level
    quiet = logging.getLogger("jax._src.xla_bridge")
    before = quiet.level
    jax.config.update("jax_optimization_level", effort)
    quiet.setLevel(logging.ERROR)
    try:
        return lowered.compile(compiler_options=options)
    finally:
        jax.config.update("jax_optimization_level", level)
        quiet.setLevel(before)


def chip_bytes(state: Any) -> int:
    """Bytes of a state on each chip.

    Args:
      state: shapes with shardings.

    Returns:
      Bytes.
    """
    total = 0
    for leaf in jax.tree.leaves(state):
        shape = leaf.sharding.shard_shape(leaf.shape)
        width = getattr(leaf.dtype, "itemsize", 4)
        total += int(np.prod(shape, dtype=np.int64)) * width
    return total


# As compilers say it: "Used 157G of 15G hbm", "(40G) exceeds available HBM (15G)".
_AMOUNT = r"([\d.]+)([KMGT]?)i?B?"
_SHORT = re.compile(rf"[Uu]sed {_AMOUNT} of {_AMOUNT} hbm")
_TOTAL = re.compile(rf"\(?{_AMOUNT}\)?,? (?:which )?exceeds available HBM \({_AMOUNT}")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def _cause(message: str) -> tuple[int, str]:
    """Bytes that were asked for, if the compiler says so, and why it gave up."""
    found = _SHORT.search(message) or _TOTAL.search(message)
    if found:
        needed = float(found[1]) * _UNITS[found[2]]
        free = float(found[3]) * _UNITS[found[4]]
        return int(needed), _beyond(needed, free)
    first = message.strip().splitlines()[0][:300] if message.strip() else "no message"
    if "RESOURCE_EXHAUSTED" in message:
        return 0, f"it takes more memory than the chip has: {first}"
    return 0, f"the compiler gave up: {first}"


def _too_large(needed: float, target: Topology) -> str:
    return _beyond(needed, target.chip.usable)


def _beyond(needed: float, free: float) -> str:
    return (
        f"it needs {needed / 2**30:.2f} GiB on each chip, and a program may take "
        f"{free / 2**30:.2f} GiB"
    )
