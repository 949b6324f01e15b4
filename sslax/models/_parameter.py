"""The parameter of a layer, without tracing its initialiser where it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.errors
import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array

__all__ = ["parameter"]


def parameter(
    module: nn.Module, name: str, init: Callable[..., Any], shape: tuple[int, ...]
) -> Array:
    """`module.param` in float32; of a given one only the shape is looked at.

    Flax traces the initialiser again at every call of a layer, to know which shape it
    would have: a sixth of the time that tracing a step of a residual network takes.
    """
    if module.is_initializing() or not module.has_variable("params", name):
        return module.param(name, init, shape, jnp.float32)
    value = module.get_variable("params", name)
    if value.shape != shape:
        where = "/".join(module.path)
        raise flax.errors.ScopeParamShapeError(name, where, value.shape, shape)
    return jnp.asarray(value)  # NumPy arrays are taken too
