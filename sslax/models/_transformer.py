"""The pre-norm transformer block of vision models."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from sslax.models._layers import Dense, DropPath, LayerNorm

__all__ = ["Attention", "Block", "attend", "run_blocks"]

# By the name of an initialisation: linear layers, fused qkv, patch kernel.
INITS = {
    "truncated": ("truncated", "truncated", "uniform"),
    "xavier": ("xavier", "xavier", "xavier"),
    "xavier_qkv": ("xavier", "xavier_qkv", "xavier"),
}


def attend(q, k, v, *, implementation=None):
    """Attention of `[b n h d]`; the softmax is in float32 at least."""
    if q.dtype == jnp.float64:  # the fused form would soften in float32
        return jnp.einsum("bhqk,bkhd->bqhd", attention_map(q, k), v)
    return jax.nn.dot_product_attention(q, k, v, implementation=implementation)


def attention_map(q, k):
    """Softmax weights `[b h q k]` of queries and keys `[b n h d]`."""
    logits = jnp.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(q.shape[-1])
    dtype = jnp.promote_types(logits.dtype, jnp.float32)
    return jax.nn.softmax(logits.astype(dtype), axis=-1).astype(logits.dtype)


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection, packed (q k v, head)."""

    heads: int
    qkv_bias: bool
    kernel_init: str
    implementation: Any
    dtype: Any

    @nn.compact
    def __call__(self, x, *, with_map=False):
        b, n, width = x.shape
        linear, fused, _ = INITS[self.kernel_init]
        qkv = Dense(
            3 * width,
            use_bias=self.qkv_bias,
            kernel_init=fused,
            dtype=self.dtype,
            name="qkv",
        )(x)
        qkv = qkv.reshape(b, n, 3, self.heads, width // self.heads)
        q, k, v = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
        out = attend(q, k, v, implementation=self.implementation)
        out = Dense(width, kernel_init=linear, dtype=self.dtype, name="proj")(
            out.reshape(b, n, width)
        )
        return out, attention_map(q, k) if with_map else None


class Block(nn.Module):
    """Norm, attention, add; norm, MLP (exact GELU), add."""

    heads: int
    mlp_width: int
    qkv_bias: bool
    layer_scale: float | None
    kernel_init: str
    implementation: Any
    dtype: Any
    train: bool
    drops: bool
    maps: bool

    @nn.compact
    def __call__(self, x, rate):
        attention = Attention(
            heads=self.heads,
            qkv_bias=self.qkv_bias,
            kernel_init=self.kernel_init,
            implementation=self.implementation,
            dtype=self.dtype,
            name="attn",
        )
        y, weights = attention(self._norm("norm1")(x), with_map=self.maps)
        x = x + self._branch(y, rate, "1")
        y = self._norm("norm2")(x)
        dense = partial(Dense, kernel_init=INITS[self.kernel_init][0], dtype=self.dtype)
        y = jax.nn.gelu(dense(self.mlp_width, name="fc1")(y), approximate=False)
        y = dense(x.shape[-1], name="fc2")(y)
        return x + self._branch(y, rate, "2"), weights

    def _norm(self, name):
        return LayerNorm(dtype=self.dtype, name=name)

    def _branch(self, y, rate, number):
        if self.layer_scale is not None:
            start = nn.initializers.constant(self.layer_scale)
            scale = self.param(f"ls{number}", start, (y.shape[-1],), jnp.float32)
            y = y * scale.astype(y.dtype).reshape(1, 1, -1)
        if self.train and self.drops:
            y = DropPath(name=f"drop_path{number}")(y, rate)
        return y


def run_blocks(block, x, *, depth, drop_path, remat, scan, maps=()):
    """Runs `depth` blocks; returns the output of each and the asked attention maps.

    Args:
      block: makes a `Block`, given `drops`, `maps` and `name`.
      x: tokens `[b n d]`.
      depth: the number of blocks.
      drop_path: rate of the last block; it grows linearly from 0 at the first.
      remat: compute a block again in the backward pass.
      scan: one traced block with stacked parameters, in place of `depth` of them.
      maps: the numbers of the blocks whose attention map is wanted.

    Returns:
      (list of `[b n d]`, dict of `[b heads n n]` by number).
    """
    rates = np.linspace(0.0, drop_path, depth) if depth > 1 else np.zeros(depth)
    kind = nn.remat(Block) if remat else Block
    if scan:
        stack = nn.scan(
            _Scanned,
            variable_axes={"params": 0},
            split_rngs={"params": True, "dropout": True},
            length=depth,
        )
        made = stack(kind=kind, block=block, drops=drop_path > 0, maps=bool(maps))
        _, (outs, weights) = made(x, jnp.asarray(rates, jnp.float32))
        return list(outs), {i: weights[i] for i in maps}
    outs, found = [], {}
    for i in range(depth):
        layer = block(kind, drops=drop_path > 0, maps=i in maps, name=f"blocks_{i}")
        x, weights = layer(x, float(rates[i]))
        outs.append(x)
        if i in maps:
            found[i] = weights
    return outs, found


class _Scanned(nn.Module):
    kind: Any
    block: Any
    drops: bool
    maps: bool

    @nn.compact
    def __call__(self, x, rate):
        made = self.block(self.kind, drops=self.drops, maps=self.maps, name="block")
        x, weights = made(x, rate)
        return x, (x, weights)
