"""What is saved is finite: a checkpoint with inf or nan cannot be gone on from."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from sslax.core import State

__all__ = ["not_finite"]


def not_finite(state: State) -> list[str]:
    """The arrays of a state that hold a value that is not finite.

    One reduction over the state, compiled once; the same answer on every process.

    Args:
      state: the state, as the train step gives it.

    Returns:
      Paths such as `params/encoder/conv1/kernel`, in order.
    """
    leaves = jax.tree_util.tree_leaves_with_path(
        {"params": state.params, "extra": state.extra, "opt": state.opt}
    )
    real = [(path, x) for path, x in leaves if jnp.issubdtype(x.dtype, jnp.inexact)]
    meshes = (getattr(x.sharding, "mesh", None) for _, x in real)
    check = _compiled(next((mesh for mesh in meshes if mesh), None))
    good = np.asarray(check([x for _, x in real]))
    return [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for (path, _), is_good in zip(real, good, strict=True)
        if not is_good
    ]


def _all_finite(leaves):
    return jnp.stack([jnp.isfinite(x).all() for x in leaves])


@functools.cache
def _compiled(mesh: Mesh | None):
    # Whole on every device: each process can read the answer.
    whole = None if mesh is None else NamedSharding(mesh, PartitionSpec())
    return jax.jit(_all_finite, out_shardings=whole)
