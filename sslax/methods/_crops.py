"""What methods of several crops share."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["by_image"]


def by_image(tree: Any) -> Any:
    """Turns arrays `[v b ...]` of several views into `[b v ...]`, and back.

    Args:
      tree: arrays.

    Returns:
      The arrays with their first two axes exchanged.
    """
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), tree)
