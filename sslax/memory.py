"""State that outlives a step: moving averages, queues, banks, centres. All pure."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

__all__ = ["ema", "enqueue"]


def ema(old: Any, new: Any, *, momentum: ArrayLike) -> Any:
    """The exponential moving average of two trees: `m * old + (1 - m) * new`.

    The teacher of MoCo, BYOL and DINO. Leaves that are not floating point (counters)
    are taken from `new`.

    Args:
      old: a tree of arrays.
      new: a tree of the same structure and shapes.
      momentum: in [0, 1]; 1 keeps the old tree, 0 takes the new one. May be traced.

    Returns:
      A tree with the dtypes of `old`.

    Raises:
      ValueError: if the momentum is known and outside [0, 1].

    Example:
      >>> import jax.numpy as jnp
      >>> ema({"w": jnp.array(1.0)}, {"w": jnp.array(3.0)}, momentum=0.5)["w"].item()
      2.0

    References:
      He et al., "Momentum Contrast for Unsupervised Visual Representation Learning",
      2019, arXiv:1911.05722, equation 2.
    """
    _check_momentum(momentum)

    def average(before, after):
        before, after = jnp.asarray(before), jnp.asarray(after)
        if not jnp.issubdtype(before.dtype, jnp.floating):
            return after.astype(before.dtype)
        wide = jnp.promote_types(before.dtype, jnp.float32)
        m = jnp.asarray(momentum, wide)
        mixed = m * before.astype(wide) + (1 - m) * after.astype(wide)
        return mixed.astype(before.dtype)

    return jax.tree.map(average, old, new)


def enqueue(
    queue: Float[Array, "n d"], head: Int[Array, ""], items: Float[Array, "b d"]
) -> tuple[Float[Array, "n d"], Int[Array, ""]]:
    """Writes a batch over the oldest entries of a circular queue.

    Args:
      queue: the entries.
      head: where the next batch starts, int32 in [0, n).
      items: the new entries, in order.

    Returns:
      The queue with `items` at positions `(head + i) mod n`, and the next head.

    Raises:
      ValueError: if there are more items than places, or if the widths differ.

    Example:
      >>> import jax.numpy as jnp
      >>> queue, head = enqueue(jnp.zeros((3, 1)), jnp.int32(2), jnp.ones((2, 1)))
      >>> queue[:, 0].tolist(), int(head)
      ([1.0, 0.0, 1.0], 1)

    Note:
      The official MoCo asks for a queue that is a multiple of the batch. This one
      wraps around, as CMC and PyContrast do, and equals MoCo where MoCo runs.

    References:
      He et al., "Momentum Contrast for Unsupervised Visual Representation Learning",
      2019, arXiv:1911.05722, algorithm 1.
    """
    count, places = items.shape[0], queue.shape[0]
    if items.shape[1:] != queue.shape[1:] or count > places:
        raise ValueError(f"items {items.shape} do not fit the queue {queue.shape}")
    where = (head + jnp.arange(count, dtype=head.dtype)) % places
    queue = queue.at[where].set(items.astype(queue.dtype))
    return queue, (head + count) % places


def _check_momentum(momentum: ArrayLike) -> None:
    if not isinstance(momentum, jax.core.Tracer) and not 0 <= float(momentum) <= 1:
        raise ValueError(f"momentum must lie in [0, 1], got {momentum}")
