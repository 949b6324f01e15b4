"""Neighbours of the places of a grid, as channels: convolutions as matrices."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["above_and_own", "beside"]


def beside(x: Float[Array, "b h w c"]) -> Float[Array, "b h w d"]:
    """Each place with its left and right neighbour, d = 3c."""
    columns = x.shape[2]
    padded = jnp.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    return jnp.concatenate([padded[:, :, i : i + columns] for i in range(3)], axis=-1)


def above_and_own(x: Float[Array, "b h w c"]) -> Float[Array, "b h w d"]:
    """The place above and the place itself, d = 2c."""
    above = jnp.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]
    return jnp.concatenate([above, x], axis=-1)
