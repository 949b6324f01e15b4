"""Several random views of the same images, and builders in a row."""

from __future__ import annotations

from collections.abc import Callable

import jax

from sslax.augment._normalize import to_float


def two_views(*, first: Callable, second: Callable | None = None) -> Callable:
    """Two independent random views of every image.

    Args:
      first: makes the first view, as `view` gives it.
      second: makes the second; None for the same recipe with its own randomness.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, two arrays `[b h w c]`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> make = two_views(first=view(size=16))
      >>> batch = make(jax.random.key(0), {"image": jnp.ones((2, 20, 20, 3))})
      >>> [v.shape for v in batch["views"]]
      [(2, 16, 16, 3), (2, 16, 16, 3)]

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, algorithm 1.
    """
    second = first if second is None else second

    def views(key, batch):
        image, box = to_float(batch["image"]), batch.get("box")
        first_key, second_key = jax.random.split(key)
        made = (first(first_key, image, box), second(second_key, image, box))
        return {**batch, "views": made}

    return views


def chain(*, steps) -> Callable:
    """Runs builders in order, each on the batch of the one before.

    Args:
      steps: `(key, batch) -> batch` functions.

    Returns:
      `(key, batch) -> batch`; each step has a key of its own.

    Example:
      >>> import jax
      >>> double = lambda key, batch: {"x": 2 * batch["x"]}
      >>> chain(steps=[double, double])(jax.random.key(0), {"x": 1})
      {'x': 4}
    """

    def views(key, batch):
        for i, step in enumerate(steps):
            batch = step(jax.random.fold_in(key, i), batch)
        return batch

    return views
