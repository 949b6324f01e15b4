"""What the decoders of masked image models share."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from sslax.models._layers import Dense
from sslax.models._parameter import parameter
from sslax.models._positions import sincos_table
from sslax.models._transformer import INITS, run_blocks

__all__ = ["MaskDecoder", "check_heads"]


def check_heads(width, heads):
    """Raises ValueError unless the heads divide the width."""
    if width % heads:
        raise ValueError(f"{heads} heads do not divide the width {width}")


class MaskDecoder(nn.Module):
    """Linear layer, mask tokens at the places of missing patches, positions, blocks."""

    width: int
    depth: int
    heads: int
    mlp_width: int
    class_token: bool
    grid: Any
    remat: bool
    scan: bool
    attention: Any
    dtype: Any

    def restored(self, latents, restore):
        """Tokens `[b (1+)n width]` of latents `[b (1+)k d]` and restore `[b n]`."""
        prefix, count = int(self.class_token), restore.shape[1]
        x, token = self._embedded(latents)
        tokens = jnp.broadcast_to(
            token, (x.shape[0], count + prefix - x.shape[1], self.width)
        )
        patches = jnp.concatenate([x[:, prefix:], tokens], axis=1)
        patches = jnp.take_along_axis(patches, restore[:, :, None], axis=1)
        x = jnp.concatenate([x[:, :prefix], patches], axis=1)
        return x + self._positions(self.grid_of(count), prefix).astype(x.dtype)

    def filled(self, latents, mask):
        """Tokens `[b h*w width]` of a map `[b h w d]` and its mask `[b h w]`."""
        x, token = self._embedded(latents)
        x = jnp.where(mask[..., None].astype(bool), token[None], x)
        x = x.reshape(x.shape[0], -1, self.width)
        return x + self._positions(latents.shape[1:3], 0).astype(x.dtype)

    def decoded(self, x, train):
        """The tokens after each block."""

        def block(kind, **options):  # no method: a scan makes it in its own scope
            return kind(
                heads=self.heads,
                mlp_width=self.mlp_width,
                qkv_bias=True,
                relative=None,
                layer_scale=None,
                inits=INITS["xavier"],
                implementation=self.attention,
                dtype=self.dtype,
                train=train,
                **options,
            )

        blocks, _ = run_blocks(
            block,
            x,
            depth=self.depth,
            drop_path=0.0,
            remat=self.remat,
            scan=self.scan,
        )
        return blocks

    def linear(self, features, name):
        """A linear layer with the decoder's initialisation."""
        return Dense(features, kernel_init="xavier", dtype=self.dtype, name=name)

    def grid_of(self, count):
        """Rows and columns of `count` patches."""
        side = round(count**0.5)
        grid = (side, side) if self.grid is None else self.grid
        if grid[0] * grid[1] != count:
            raise ValueError(
                f"{count} patches are not a grid of {grid[0]} x {grid[1]}; "
                "give grid=(rows, columns)"
            )
        return grid

    def _embedded(self, latents):
        x = self.linear(self.width, "embed")(latents)
        normal = nn.initializers.normal(0.02)
        token = parameter(self, "mask_token", normal, (1, 1, self.width))
        return x, token.astype(x.dtype)

    def _positions(self, grid, prefix):
        table = sincos_table(*grid, self.width, "column")
        table = np.concatenate([np.zeros((prefix, self.width)), table])
        return jnp.asarray(table[None], jnp.float32)
