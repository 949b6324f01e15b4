"""Windows, shifts and the blocks of Swin transformers."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from sslax.models._layers import Dense, DropPath, LayerNorm
from sslax.models._transformer import INITS, Attention, RelativePositions, gelu

__all__ = ["PatchMerging", "SwinBlock", "received"]

# Added to the logits of keys in another region of a shifted window, as released.
_OTHER_REGION = -100.0
# Of hidden keys: the softmax gives exactly 0 even in float16, whose range it respects.
_HIDDEN = -1e4


def to_windows(x, window):
    """`[b h w c]` as `[b windows window*window c]`, both in raster order."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // window, window, w // window, window, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, -1, window * window, c)


def from_windows(x, grid, window):
    """The inverse of `to_windows`."""
    h, w = grid
    x = x.reshape(x.shape[0], h // window, w // window, window, window, -1)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(x.shape[0], h, w, -1)


def region_bias(grid, window, shift):
    """What keeps apart the regions that a shift brings together: `[windows n n]`."""
    slices = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    region = np.zeros((1, *grid, 1))
    for i, rows in enumerate(slices):
        for j, columns in enumerate(slices):
            region[:, rows, columns] = 3 * i + j
    region = to_windows(region, window)[0, :, :, 0]
    return np.where(region[:, :, None] == region[:, None], 0.0, _OTHER_REGION)


def whole(grid, window):
    """The grid with its last windows whole."""
    return [-(-side // window) * window for side in grid]


def filled(x, window):
    """`[b h w c]` with zeros where the last windows are not whole."""
    h, w = whole(x.shape[1:3], window)
    return jnp.pad(x, ((0, 0), (0, h - x.shape[1]), (0, w - x.shape[2]), (0, 0)))


def received(weights, grid, window, shift):
    """Attention `[b windows heads n n]` that each place receives: `[b heads h w]`."""
    looks = jnp.swapaxes(weights.mean(axis=3), 2, 3)
    looks = from_windows(looks, whole(grid, window), window)
    looks = jnp.roll(looks, (shift, shift), axis=(1, 2))[:, : grid[0], : grid[1]]
    return looks.transpose(0, 3, 1, 2)


class SwinBlock(nn.Module):
    """Norm, attention within (shifted) windows, add; norm, MLP (exact GELU), add."""

    heads: int
    mlp_width: int
    window: int
    shift: int
    qkv_bias: bool
    epsilon: float | int
    implementation: Any
    dtype: Any
    train: bool
    drops: bool
    maps: bool

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b h w c"],
        rate: Any,
        hidden: Bool[Array, "b h w"] | None = None,
    ) -> tuple[Float[Array, "b h w c"], Float[Array, "b windows heads n n"] | None]:
        b, *places, width = x.shape
        norm = partial(LayerNorm, epsilon=self.epsilon, dtype=self.dtype)
        y = filled(norm(name="norm1")(x), self.window)
        grid = y.shape[1:3]
        windows = to_windows(self._shifted(y, -self.shift), self.window)
        bias = self._bias(b, grid, hidden, x.dtype)
        attention = Attention(
            heads=self.heads,
            qkv_bias=self.qkv_bias,
            relative=partial(
                RelativePositions,
                grid=(self.window, self.window),
                class_token=False,
                deviation=0.02,
            ),
            inits=INITS["truncated"],
            implementation=self.implementation,
            dtype=self.dtype,
            name="attn",
        )
        tokens = windows.reshape(-1, self.window**2, width)
        y, weights = attention(tokens, 0, bias, with_map=self.maps)
        y = from_windows(y.reshape(windows.shape), grid, self.window)
        y = self._shifted(y, self.shift)[:, : places[0], : places[1]]
        x = x + self._branch(y, rate, "1")
        y = norm(name="norm2")(x)
        dense = partial(Dense, kernel_init="truncated", dtype=self.dtype)
        y = gelu(dense(self.mlp_width, name="fc1")(y))
        x = x + self._branch(dense(width, name="fc2")(y), rate, "2")
        if weights is not None:
            weights = weights.reshape(b, -1, *weights.shape[1:])
        return x, weights

    def _shifted(self, x, places):
        return jnp.roll(x, (places, places), axis=(1, 2)) if places else x

    def _bias(self, b, grid, hidden, dtype):
        """What is added to the logits besides relative positions: `[b*w 1 n n]`."""
        bias, n = None, self.window**2
        if self.shift:
            regions = jnp.asarray(region_bias(grid, self.window, self.shift), dtype)
            bias = jnp.broadcast_to(regions[None], (b, *regions.shape))
        if hidden is not None:
            hidden = filled(hidden[..., None], self.window)
            hidden = self._shifted(hidden, -self.shift)
            keys = to_windows(hidden, self.window)
            keys = jnp.where(keys[:, :, None, :, 0], _HIDDEN, 0.0).astype(dtype)
            keys = jnp.broadcast_to(keys, (*keys.shape[:2], n, n))
            bias = keys if bias is None else bias + keys
        return None if bias is None else bias.reshape(-1, 1, n, n)

    def _branch(self, y, rate, number):
        if self.train and self.drops:
            y = DropPath(name=f"drop_path{number}")(y, rate)
        return y


class PatchMerging(nn.Module):
    """Four neighbours as one place of twice the channels: concatenate, norm, linear."""

    epsilon: float | int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b i j d"]:
        # The column is the slow index of the four.
        quarters = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        x = jnp.concatenate(quarters, axis=-1)
        x = LayerNorm(epsilon=self.epsilon, dtype=self.dtype, name="norm")(x)
        return Dense(
            x.shape[-1] // 2,
            use_bias=False,
            kernel_init="truncated",
            dtype=self.dtype,
            name="reduction",
        )(x)
