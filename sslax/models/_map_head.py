"""Pooling by attention: one learned probe looks at all tokens."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.models._attention import attention_map, plain_attention
from sslax.models._layers import Dense, LayerNorm, dense_init
from sslax.models._parameter import parameter

__all__ = ["MapHead"]


class MapHead(nn.Module):
    """A probe's attention over tokens, then norm, MLP, add.

    It starts as the layers of a block do, and the probe by Xavier's rule.
    """

    heads: int
    mlp_width: int
    inits: Any
    activation: Any
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b n d"], *, with_map: bool = False
    ) -> tuple[Float[Array, "b d"], Float[Array, "b heads 1 n"] | None]:
        b, n, width = x.shape
        probe = parameter(self, "probe", dense_init("xavier"), (1, 1, width))
        probe = jnp.broadcast_to(probe.astype(x.dtype), (b, 1, width))
        layer = partial(Dense, kernel_init=self.inits.linear, dtype=self.dtype)
        q = layer(width, kernel_init=self._start(width, 0), name="q")(probe)
        kv = layer(2 * width, kernel_init=self._start(width, width), name="kv")(x)
        q = q.reshape(b, 1, self.heads, -1)
        kv = kv.reshape(b, n, 2, self.heads, -1)
        k, v = kv[:, :, 0], kv[:, :, 1]
        # The weights of one query are a row, which no kernel need hide.
        out = plain_attention(q, k, v).reshape(b, width)
        out = layer(width, name="proj")(out)
        y = LayerNorm(dtype=self.dtype, name="norm")(out)
        y = self.activation(layer(self.mlp_width, name="fc1")(y))
        pooled = out + layer(width, name="fc2")(y)
        return pooled, attention_map(q, k) if with_map else None

    def _start(self, width, first):
        """The initialiser of some columns, from the first on, of a fused q, k, v."""

        def start(key, shape, dtype=jnp.float32):
            fused = dense_init(self.inits.fused)(key, (width, 3 * width), dtype)
            return fused[:, first : first + shape[-1]]

        return start
