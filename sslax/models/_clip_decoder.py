"""A decoder from features to clips, spectrograms or images of any shape."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.core import Net
from sslax.models._layers import Dense
from sslax.models._nets import check_widths, compute_dtype, from_linen

__all__ = ["clip_decoder"]


class ClipDecoder(nn.Module):
    """A coarse grid by a linear layer, then layers that double every side."""

    width: int
    stages: int
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b d"], like: Float[Array, "b *n c"], *, train=False
    ) -> Float[Array, "b *n c"]:
        del train
        sides, channels = like.shape[1:-1], like.shape[-1]
        grid = [-(-side // 2**self.stages) for side in sides]
        x = Dense(math.prod(grid) * self.width, dtype=self.dtype, name="grid")(x)
        x = nn.relu(x.reshape(len(x), *grid, self.width))
        for i in range(1, self.stages + 1):
            last = i == self.stages
            features = channels if last else max(self.width >> i, 8)
            dense = Dense(features * 2 ** len(sides), dtype=self.dtype, name=f"up{i}")
            x = doubled(dense(x), len(sides))
            x = x if last else nn.relu(x)
        x = x[(slice(None), *(slice(side) for side in sides))]
        return at_least_float32(x)


def doubled(x: Array, axes: int) -> Array:
    """`[b n... 2**axes*c]` to `[b 2n... c]`: channels become the cells of a block."""
    count, *sides, channels = x.shape
    x = x.reshape(count, *sides, *(2,) * axes, channels >> axes)
    pairs: Sequence[int] = [
        *itertools.chain(*((1 + i, 1 + axes + i) for i in range(axes)))
    ]
    x = x.transpose(0, *pairs, x.ndim - 1)
    return x.reshape(count, *(2 * side for side in sides), -1)


def clip_decoder(*, width: int = 64, stages: int = 3, dtype: str | None = None) -> Net:
    """Features to frames, flow or a spectrogram: transposed convolutions of stride 2.

    A linear layer makes a coarse grid; every stage then doubles all its axes, by
    transposed convolutions whose kernels do not overlap, and halves the channels.

    Args:
      width: channels of the coarse grid.
      stages: how often its sides are doubled; what exceeds the shape is cut off.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of features `[b d]` and an array `[b ... c]`, of which the shape alone is
      read, with output of this shape, at least float32.

    Raises:
      ValueError: a width or number of stages below 1; an unknown dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = clip_decoder(width=8, stages=2)
      >>> features, clip = jnp.ones((2, 6)), jnp.ones((2, 5, 8, 8, 3))
      >>> params, stats = net.init(jax.random.key(0), features, clip)
      >>> net.apply(params, stats, features, clip)[0].shape
      (2, 5, 8, 8, 3)

    References:
      Piergiovanni et al., "Evolving Losses for Unsupervised Video Representation
      Learning", 2020, arXiv:2002.12177, section 3, which does not state the sizes.
    """
    check_widths(width=width, stages=stages)
    return from_linen(
        ClipDecoder(width=width, stages=stages, dtype=compute_dtype(dtype))
    )
