"""The pre-norm transformer block of vision models."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from sslax.models._layers import Dense, DropPath, LayerNorm

__all__ = ["INITS", "Attention", "Block", "RelativePositions", "attend", "run_blocks"]

# By the name of an initialisation: linear layers, fused qkv, patch kernel.
INITS = {
    "truncated": ("truncated", "truncated", "uniform"),
    "xavier": ("xavier", "xavier", "xavier"),
    "xavier_qkv": ("xavier", "xavier_qkv", "xavier"),
}


def attend(q, k, v, bias=None, *, implementation=None):
    """Attention of `[b n h d]`; the softmax is in float32 at least."""
    if q.dtype == jnp.float64:  # the fused form takes its softmax in float32
        return jnp.einsum("bhqk,bkhd->bqhd", attention_map(q, k, bias), v)
    return jax.nn.dot_product_attention(q, k, v, bias, implementation=implementation)


def attention_map(q, k, bias=None):
    """Softmax weights `[b h q k]` of queries and keys `[b n h d]`."""
    logits = jnp.einsum("bqhd,bkhd->bhqk", q, k) / float(np.sqrt(q.shape[-1]))
    logits = logits if bias is None else logits + bias
    dtype = jnp.promote_types(logits.dtype, jnp.float32)
    return jax.nn.softmax(logits.astype(dtype), axis=-1).astype(q.dtype)


class RelativePositions(nn.Module):
    """A learned bias `[1 heads n n]` for each offset between two patches.

    The row of the table is (dy + h - 1) * (2w - 1) + (dx + w - 1) for the offset query
    minus key; with a class token three rows follow: class to patch, patch to class,
    class to class.
    """

    heads: int
    grid: Any
    class_token: bool

    @nn.compact
    def __call__(self):
        index = self._index()
        rows = int((2 * self.grid[0] - 1) * (2 * self.grid[1] - 1))
        rows += 3 if self.class_token else 0
        zeros = nn.initializers.zeros
        table = self.param("table", zeros, (rows, self.heads), jnp.float32)
        return table[index].transpose(2, 0, 1)[None]

    def _index(self):
        height, width = self.grid
        place = np.stack(
            np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1
        ).reshape(-1, 2)
        offset = place[:, None] - place[None] + np.array([height - 1, width - 1])
        index = offset[..., 0] * (2 * width - 1) + offset[..., 1]
        if not self.class_token:
            return index
        rows = (2 * height - 1) * (2 * width - 1)
        index = np.pad(index, ((1, 0), (1, 0)))
        index[0, :], index[:, 0], index[0, 0] = rows, rows + 1, rows + 2
        return index


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection, packed (q k v, head)."""

    heads: int
    qkv_bias: bool | str
    relative: Any
    kernel_init: str
    implementation: Any
    dtype: Any

    @nn.compact
    def __call__(self, x, bias=None, *, with_map=False):
        b, n, width = x.shape
        linear, fused, _ = INITS[self.kernel_init]
        qkv = Dense(
            3 * width,
            use_bias=self.qkv_bias is True,
            kernel_init=fused,
            dtype=self.dtype,
            name="qkv",
        )(x)
        if self.qkv_bias == "qv":
            zeros = nn.initializers.zeros
            q, v = (
                self.param(f"{name}_bias", zeros, (width,), jnp.float32)
                for name in "qv"
            )
            fused_bias = jnp.concatenate([q, jnp.zeros_like(q), v])
            qkv = qkv + fused_bias.astype(qkv.dtype).reshape(1, 1, -1)
        if self.relative is not None:
            bias = self.relative(heads=self.heads, name="relative")()
        bias = None if bias is None else bias.astype(x.dtype)
        qkv = qkv.reshape(b, n, 3, self.heads, width // self.heads)
        q, k, v = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
        out = attend(q, k, v, bias, implementation=self.implementation)
        out = Dense(width, kernel_init=linear, dtype=self.dtype, name="proj")(
            out.reshape(b, n, width)
        )
        return out, attention_map(q, k, bias) if with_map else None


class Block(nn.Module):
    """Norm, attention, add; norm, MLP (exact GELU), add."""

    heads: int
    mlp_width: int
    qkv_bias: bool | str
    relative: Any
    layer_scale: float | int | None
    kernel_init: str
    implementation: Any
    dtype: Any
    train: bool
    drops: bool
    maps: bool

    @nn.compact
    def __call__(self, x, rate, bias=None):
        attention = Attention(
            heads=self.heads,
            qkv_bias=self.qkv_bias,
            relative=self.relative,
            kernel_init=self.kernel_init,
            implementation=self.implementation,
            dtype=self.dtype,
            name="attn",
        )
        y, weights = attention(self._norm("norm1")(x), bias, with_map=self.maps)
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


def run_blocks(block, x, bias=None, *, depth, drop_path, remat, scan, maps=()):
    """Runs `depth` blocks; returns the output of each and the asked attention maps.

    Args:
      block: makes a `Block`, given `drops`, `maps` and `name`.
      x: tokens `[b n d]`.
      bias: added to the attention logits of every block, `[1 heads n n]` or None.
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
            in_axes=(0, nn.broadcast),
            length=depth,
        )
        made = stack(kind=kind, block=block, drops=drop_path > 0, maps=bool(maps))
        _, (outs, weights) = made(x, jnp.asarray(rates, jnp.float32), bias)
        return list(outs), {i: weights[i] for i in maps}
    outs, found = [], {}
    for i in range(depth):
        layer = block(kind, drops=drop_path > 0, maps=i in maps, name=f"blocks_{i}")
        x, weights = layer(x, float(rates[i]), bias)
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
    def __call__(self, x, rate, bias):
        made = self.block(self.kind, drops=self.drops, maps=self.maps, name="block")
        x, weights = made(x, rate, bias)
        return x, (x, weights)
