"""A gated PixelCNN over a grid of codes: contexts of a row and those above."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.checks import check_positive
from sslax.core import Net
from sslax.models._layers import Dense
from sslax.models._neighbours import above_and_own, beside
from sslax.models._nets import compute_dtype, from_linen

__all__ = ["pixel_cnn"]


class GatedLayers(nn.Module):
    """Two stacks: v looks up and to the sides, h beside itself and at v."""

    layers: int
    dense: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b h w c"]:
        del train  # nothing is dropped or normalised
        width, v, h = x.shape[-1], x, x
        wide, plain = partial(self.dense, 2 * width), partial(self.dense, width)
        for i in range(1, self.layers + 1):
            up = wide(name=f"vertical{i}")(above_and_own(beside(v)))
            y = wide(name=f"horizontal{i}")(beside(h)) + wide(name=f"down{i}")(up)
            y = plain(name=f"out{i}")(_gate(y))
            h, last = y if i == 1 else h + y, i == self.layers
            if not last:  # the last v has no reader
                v = _gate(up if i == 1 else up + wide(name=f"skip{i}")(v))
        return at_least_float32(plain(name="last")(h))


def _gate(x):
    """One half of the channels opens the other."""
    values, gates = jnp.split(x, 2, axis=-1)
    return jnp.tanh(values) * jax.nn.sigmoid(gates)


def pixel_cnn(*, layers: int = 4, dtype: str | None = None) -> Net:
    """The context of CPC: a gated PixelCNN whose mask hides the rows below.

    It sees its own row, on both sides, and the rows above; each layer looks one row
    further up. Kernels have no places for what is hidden, so that no mask is needed.

    Args:
      layers: how many; row r sees the rows r - layers to r.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of grids of codes `[b h w d]` with contexts `[b h w d]`, at least float32.

    Raises:
      ValueError: fewer than 1 layer, or an unknown dtype.

    Note:
      As in Greedy InfoMax: kernels of 3x3 without the lower row, the first layer
      without residuals, a 1x1 convolution behind the last. Its code also has weights
      behind the last vertical stack, which lead nowhere.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net, codes = pixel_cnn(layers=2), jnp.ones((2, 3, 3, 8))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), codes)
      >>> jax.eval_shape(net.apply, params, stats, codes)[0].shape
      (2, 3, 3, 8)

    References:
      van den Oord et al., "Conditional Image Generation with PixelCNN Decoders", 2016,
      arXiv:1606.05328, equation 2.
    """
    check_positive(layers=layers)
    dense = partial(Dense, kernel_init="uniform", dtype=compute_dtype(dtype))
    return from_linen(GatedLayers(layers=layers, dense=dense))
