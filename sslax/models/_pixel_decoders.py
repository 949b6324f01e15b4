"""Decoders from feature maps straight to pixels."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.core import Net
from sslax.models._layers import Dense
from sslax.models._nets import compute_dtype, from_linen

__all__ = ["simmim_decoder"]


class SimMIMDecoder(nn.Module):
    """A linear layer at each place, and its channels as the pixels of the patch."""

    patch_size: int
    channels: int
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b i j d"]:
        del train
        b, h, w, _ = x.shape
        p, c = self.patch_size, self.channels
        y = Dense(c * p * p, kernel_init="uniform", dtype=self.dtype, name="pred")(x)
        y = at_least_float32(y).reshape(b, h, w, c, p, p)
        return y.transpose(0, 1, 4, 2, 5, 3).reshape(b, h * p, w * p, c)


def simmim_decoder(
    *, patch_size: int = 32, channels: int = 3, dtype: str | None = None
) -> Net:
    """SimMIM's decoder: one linear layer and a pixel shuffle.

    Args:
      patch_size: pixels on a side of one place of the map (32 for Swin, 16 for ViT).
      channels: channels of the image.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of maps `[b h w d]` with images `[b h*p w*p c]`, at least float32; the
      linear layer's outputs are ordered (channel, row, column), the channel slow.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = simmim_decoder(patch_size=4)
      >>> params, stats = net.init(jax.random.key(0), jnp.ones((1, 2, 3, 5)))
      >>> net.apply(params, stats, jnp.ones((1, 2, 3, 5)))[0].shape
      (1, 8, 12, 3)

    References:
      Xie et al., "SimMIM: A Simple Framework for Masked Image Modeling", 2022,
      arXiv:2111.09886, section 3.3.
    """
    return from_linen(
        SimMIMDecoder(
            patch_size=patch_size, channels=channels, dtype=compute_dtype(dtype)
        )
    )
