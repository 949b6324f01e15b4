"""The pre-norm transformer block of vision models."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sslax import platforms
from sslax.models._attention import attend, attention_map
from sslax.models._layers import Dense, DropPath, LayerNorm, dense_init
from sslax.models._parameter import parameter

__all__ = [
    "ACTIVATIONS",
    "INITS",
    "Attention",
    "Block",
    "Inits",
    "RelativePositions",
    "gelu",
    "run_blocks",
]


# Added to the logits of attention; 1 for what is shared.
Bias = Float[Array, "_ _ n n"] | None


class Inits(NamedTuple):
    """Initialisers of linear layers, fused q, k, v, patches, and ends of branches."""

    linear: Any
    fused: Any
    patch: Any
    end: Any = None
    by_depth: bool = False

    def end_of(self, number):
        """The initialiser of the last matrices of the branches of a block, from 0."""
        init = self.linear if self.end is None else self.end
        if not self.by_depth:
            return init

        def scaled(key, shape, dtype=jnp.float32):
            kernel = dense_init(init)(key, shape, dtype)
            return kernel / jnp.sqrt(2.0 * (number + 1)).astype(dtype)

        return scaled


INITS = {
    "truncated": Inits("truncated", "truncated", "uniform"),
    "xavier": Inits("xavier", "xavier", "xavier"),
    "xavier_qkv": Inits("xavier", "xavier_qkv", "xavier"),
    "beit": Inits("narrow", "narrow", "narrow", by_depth=True),
    "big_vision": Inits("xavier", "xavier_qkv", "lecun"),
}


def gelu(x):
    """The exact GELU."""
    return jax.nn.gelu(x, approximate=False)


def _gelu_tanh(x):
    return jax.nn.gelu(x, approximate=True)


def _quick_gelu(x):
    """The GELU that OpenAI's CLIP is trained with."""
    return x * jax.nn.sigmoid(1.702 * x)


ACTIVATIONS = {"gelu": gelu, "gelu_tanh": _gelu_tanh, "quick_gelu": _quick_gelu}


class RelativePositions(nn.Module):
    """A learned bias `[1 heads n n]` for each offset between two patches.

    The row of the table is (dy + h - 1) * (2w - 1) + (dx + w - 1) for the offset query
    minus key; with a class token three rows follow: class to patch, patch to class,
    class to class.
    """

    heads: int
    grid: Any
    class_token: bool
    deviation: float | int = 0.0

    @nn.compact
    def __call__(self) -> Float[Array, "1 heads n n"]:
        index = self._index()
        rows = int((2 * self.grid[0] - 1) * (2 * self.grid[1] - 1))
        rows += 3 if self.class_token else 0
        self._check_rows(rows)
        normal = nn.initializers.normal(self.deviation)
        table = parameter(self, "table", normal, (rows, self.heads))
        return table[index].transpose(2, 0, 1)[None]

    def _check_rows(self, rows):
        if not self.has_variable("params", "table"):
            return
        given = self.get_variable("params", "table").shape[0]
        if given != rows:
            raise ValueError(
                f"a grid of {self.grid[0]} x {self.grid[1]} patches has {rows} "
                f"relative positions, the table has {given}: see "
                "resize_relative_positions"
            )

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
    inits: Any
    implementation: Any
    dtype: Any

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b n d"],
        number: Any,
        bias: Bias = None,
        *,
        with_map: bool = False,
    ) -> tuple[Float[Array, "b n d"], Float[Array, "b heads n n"] | None]:
        b, n, width = x.shape
        qkv = Dense(
            3 * width,
            use_bias=self.qkv_bias is True,
            kernel_init=self.inits.fused,
            dtype=self.dtype,
            name="qkv",
        )(x)
        if self.qkv_bias == "qv":
            zeros = nn.initializers.zeros
            q, v = (parameter(self, f"{name}_bias", zeros, (width,)) for name in "qv")
            fused_bias = jnp.concatenate([q, jnp.zeros_like(q), v])
            qkv = qkv + fused_bias.astype(qkv.dtype).reshape(1, 1, -1)
        if self.relative is not None:
            own = self.relative(heads=self.heads, name="relative")()
            bias = own if bias is None else own + bias
        bias = None if bias is None else bias.astype(x.dtype)
        qkv = qkv.reshape(b, n, 3, self.heads, width // self.heads)
        q, k, v = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
        out = attend(q, k, v, bias, form=self.implementation)
        end = self.inits.end_of(number)
        out = Dense(width, kernel_init=end, dtype=self.dtype, name="proj")(
            out.reshape(b, n, width)
        )
        return out, attention_map(q, k, bias) if with_map else None


class Block(nn.Module):
    """Norm, attention, add; norm, MLP, add."""

    heads: int
    mlp_width: int
    qkv_bias: bool | str
    relative: Any
    layer_scale: float | int | None
    inits: Any
    implementation: Any
    dtype: Any
    train: bool
    drops: bool
    maps: bool
    activation: Any = gelu
    epsilon: float = 1e-6

    @nn.compact
    def __call__(
        self, x: Float[Array, "b n d"], rate: Any, number: Any, bias: Bias = None
    ) -> tuple[Float[Array, "b n d"], Float[Array, "b heads n n"] | None]:
        attention = Attention(
            heads=self.heads,
            qkv_bias=self.qkv_bias,
            relative=self.relative,
            inits=self.inits,
            implementation=self.implementation,
            dtype=self.dtype,
            name="attn",
        )
        y, weights = attention(self._norm("norm1")(x), number, bias, with_map=self.maps)
        x = x + self._branch(y, rate, "1")
        y = self._norm("norm2")(x)
        dense = partial(Dense, dtype=self.dtype)
        linear, end = self.inits.linear, self.inits.end_of(number)
        y = self.activation(dense(self.mlp_width, kernel_init=linear, name="fc1")(y))
        y = dense(x.shape[-1], kernel_init=end, name="fc2")(y)
        return x + self._branch(y, rate, "2"), weights

    def _norm(self, name):
        return LayerNorm(epsilon=self.epsilon, dtype=self.dtype, name=name)

    def _branch(self, y, rate, number):
        if self.layer_scale is not None:
            start = nn.initializers.constant(self.layer_scale)
            scale = parameter(self, f"ls{number}", start, (y.shape[-1],))
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
      drop_path: rate of the last block, growing linearly from 0 at the first; or the
        rates of all blocks.
      remat: compute a block again in the backward pass.
      scan: one traced block with stacked parameters, in place of `depth` of them.
      maps: the numbers of the blocks whose attention map is wanted.

    Returns:
      (list of `[b n d]`, dict of `[b heads n n]` by number).
    """
    rates = np.asarray(drop_path)
    if rates.ndim == 0:
        rates = np.linspace(0.0, drop_path, depth) if depth > 1 else np.zeros(depth)
    drops = bool(np.any(rates > 0))
    kind = nn.remat(Block) if remat else Block
    if scan:
        stack = nn.scan(
            _Scanned,
            variable_axes={"params": 0},
            split_rngs={"params": True, "dropout": True},
            in_axes=(0, 0, nn.broadcast),
            length=depth,
        )
        made = stack(kind=kind, block=block, drops=drops, maps=bool(maps))
        numbers = jnp.arange(depth, dtype=jnp.float32)
        _, (outs, weights) = made(x, jnp.asarray(rates, jnp.float32), numbers, bias)
        return list(outs), {i: weights[i] for i in maps}
    outs, found = [], {}
    for i in range(depth):
        layer = block(kind, drops=drops, maps=i in maps, name=f"blocks_{i}")
        x, weights = layer(x, float(rates[i]), i, bias)
        x = platforms.computed_once(x)
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
    def __call__(
        self, x: Float[Array, "b n d"], rate: Any, number: Any, bias: Bias
    ) -> tuple[Float[Array, "b n d"], Any]:
        made = self.block(self.kind, drops=self.drops, maps=self.maps, name="block")
        x, weights = made(x, rate, number, bias)
        return x, (x, weights)
