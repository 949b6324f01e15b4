"""The convolution block of ConvMAE."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.models._convolutions import DepthwiseConv
from sslax.models._layers import Dense, DropPath, LayerNorm
from sslax.models._transformer import gelu

__all__ = ["ConvBlock", "conv_norm"]

conv_norm = partial(LayerNorm, epsilon=1e-5)


class ConvBlock(nn.Module):
    """Norm, 1x1, masked 5x5 by channel, 1x1, add; norm, MLP, add."""

    mlp_width: int
    impl: str
    dtype: Any
    train: bool
    drop_path: float | int

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], visible: Float[Array, "b h w 1"] | None = None
    ) -> Float[Array, "b h w c"]:
        dense = partial(Dense, kernel_init="uniform", dtype=self.dtype)
        width = x.shape[-1]
        y = conv_norm(dtype=self.dtype, name="norm1")(x)
        y = dense(width, name="conv1")(y)
        # Only what spreads is masked: the residual stream goes on everywhere.
        y = y if visible is None else y * visible.astype(y.dtype)
        y = DepthwiseConv(5, impl=self.impl, dtype=self.dtype, name="depthwise")(y)
        x = x + self._branch(dense(width, name="conv2")(y), "1")
        y = conv_norm(dtype=self.dtype, name="norm2")(x)
        y = gelu(dense(self.mlp_width, name="fc1")(y))
        return x + self._branch(dense(width, name="fc2")(y), "2")

    def _branch(self, y, number):
        if self.train and self.drop_path > 0:
            return DropPath(name=f"drop_path{number}")(y, self.drop_path)
        return y
