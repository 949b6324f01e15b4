"""The last step of all views: the statistics of a dataset taken out."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array

from sslax.augment import to_float
from sslax.augment.parts import statistics_of
from sslax.core import Drawn, in_parts
from sslax.kinds import Builder


def normalized(views: Builder, *, statistics=None) -> Builder:
    """Views with the mean of a dataset subtracted and divided by its deviation.

    A program puts it around the builder of its config, for training and evaluation
    alike; pictures are the views without it.

    Args:
      views: `(key, batch) -> batch`, what makes the views.
      statistics: as of `augment.normalize`: a name such as `imagenet`, or (mean,
        deviation) of numbers or tuples; None leaves the views as they are.

    Returns:
      `(key, batch) -> batch`, with every array of `batch["views"]` normalised along its
      last axis.

    Raises:
      ValueError: for an unknown name; when called, for another number of channels.

    Example:
      >>> import jax.numpy as jnp
      >>> from sslax.views import center, one_view
      >>> make = normalized(one_view(view=center(size=2)), statistics=(0.5, 0.25))
      >>> make(None, {"image": jnp.ones((1, 2, 2, 3))})["views"][0].max().item()
      2.0
    """
    if statistics is None:
        return views
    if isinstance(statistics, str):
        statistics_of(statistics, 3)  # a wrong name is known before the first batch

    def normalize(view: Array) -> Array:
        view = to_float(view)
        mean, std = (
            jnp.asarray(values, view.dtype).reshape((1,) * (view.ndim - 1) + (-1,))
            for values in statistics_of(statistics, view.shape[-1])
        )
        return (view - mean) / std

    parts = in_parts(views)

    def make(drawn, batch):
        batch = parts.make(drawn, batch)
        return {**batch, "views": tuple(normalize(v) for v in batch["views"])}

    return Drawn(parts.draw, make)
