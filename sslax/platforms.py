"""The platform that a function is traced for, and what suits this machine's.

A program may be compiled for devices that this machine does not have. What a layer asks
for is therefore the platform of the mesh, and only without one that of this machine.
"""

from __future__ import annotations

import contextvars
import ctypes
import functools
import importlib.util
import os
import platform as machine
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array

__all__ = ["compiler_options", "computed_once", "keep_memory", "target", "traced_for"]

_target: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "platform", default=None
)


def target() -> str:
    """The platform that is being traced for.

    Returns:
      "cpu", "tpu", or a name of a GPU platform; "onnx" where a graph is being made,
      "all" where one program is for several platforms.
    """
    return _target.get() or jax.default_backend()


def traced_for(platform: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, in which `target` is a given platform.

    Args:
      platform: as `device.platform` has it.
      function: any function that is to be traced.

    Returns:
      A function to compile for devices of the platform.

    Example:
      >>> traced_for("tpu", target)()
      'tpu'
    """

    @functools.wraps(function)
    def traced(*args, **kwargs):
        before = _target.set(platform)
        try:
            return function(*args, **kwargs)
        finally:
            _target.reset(before)

    return traced


_copied = jax.jit(jnp.copy)


def computed_once(x: Array) -> Array:
    """The same array, which XLA on CPU then computes once, and its gradient too.

    XLA on CPU copies cheap sums into every loop that reads them. A residual stream is a
    sum of all blocks, so each block would add up all before it, and its gradient all
    after it: the square of the depth, a third of the time of ViT-S. An optimization
    barrier is gone by then; a call that is not inlined is not.

    Args:
      x: any array, as between two blocks.

    Returns:
      `x`; on other platforms than CPU nothing is done.

    Example:
      >>> float(computed_once(jnp.array(2.0)))
      2.0
    """
    if target() != "cpu":
        return x
    with set_xla_metadata(inlineable="false"):
        return _copied(x)


_LIBRARY = "xla_cpu_experimental_ynn_fusion_type"


def compiler_options(platform: str, params: Any) -> dict[str, Any]:
    """What XLA is told about a program of networks with these parameters.

    On CPU it gives products, sums and elementwise operations to a library, YNNPACK.
    Transformers lose nothing by it; a gradient of a convolutional network takes 1.5 to
    2 times as long. Such networks go without, unless `XLA_FLAGS` say what they want.

    Args:
      platform: that of the devices, as `device.platform` has it.
      params: of the networks, arrays or their shapes.

    Returns:
      `compiler_options` of `jax.jit`.

    Example:
      >>> compiler_options("tpu", {})
      {}
    """
    if platform != "cpu" or _LIBRARY in os.environ.get("XLA_FLAGS", ""):
        return {}
    if not _convolutional(params) or not _takes(_LIBRARY, ""):
        return {}
    return {_LIBRARY: ""}


def _convolutional(params: Any) -> bool:
    """Whether it is by convolutions that networks compute, not one that cuts patches.

    ResNets have few matrices beside their kernels, transformers dozens for each.
    """
    shapes = [leaf.shape for leaf in jax.tree.leaves(params)]
    kernels = sum(len(s) == 4 and s[0] * s[1] > 1 for s in shapes)
    matrices = sum(len(s) == 2 for s in shapes)
    return kernels > 1 and 4 * kernels >= matrices


@functools.cache
def _takes(option: str, value: Any) -> bool:
    """Whether XLA has this option: those that are experiments come and go."""
    try:
        jax.jit(lambda: 0, compiler_options={option: value}).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


# Of glibc's mallopt: keep what is freed, take it from one arena, never from mmap.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_LARGE = 2**31 - 1


def keep_memory() -> bool:
    """Lets this process keep the memory that it frees, where the CPU computes.

    XLA on CPU takes memory for its temporaries in every call and gives it back, and the
    kernel clears every page anew: a quarter of a small train step. A program calls this
    before its first computation; a library should not. The process then never shrinks.

    Returns:
      Whether it was done: not on machines with an accelerator, nor without glibc.
    """
    only_cpu = os.environ.get("JAX_PLATFORMS") == "cpu" or not any(
        importlib.util.find_spec(name) for name in ("libtpu", "jax_plugins")
    )
    if not only_cpu or machine.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    options = {
        _M_MMAP_THRESHOLD: _LARGE,
        _M_TRIM_THRESHOLD: _LARGE,
        _M_TOP_PAD: 2**26,
        _M_ARENA_MAX: 1,
    }
    return all(library.mallopt(name, value) for name, value in options.items())
