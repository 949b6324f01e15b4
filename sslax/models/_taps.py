"""Decoders that read several blocks of an encoder, as modules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Int, Shaped

from sslax.arrays import at_least_float32
from sslax.models._convolutions import ConvTranspose
from sslax.models._layers import LayerNorm
from sslax.models._mask_decoder import MaskDecoder
from sslax.models._nets import Selected, select
from sslax.models._transformer import gelu

__all__ = ["SCALES", "DeepMIMDecoder", "LocalMIMDecoder", "ScaleDecoder", "per_tap"]

SCALES = (4, 2, 1, 0.5)


class ScaleDecoder(MaskDecoder):
    """A norm, a mask decoder, its map on the grid of a scale, a linear layer."""

    scale: float | int
    dim: int

    @nn.compact
    def __call__(self, latents, places, train):
        latents = LayerNorm(dtype=self.dtype, name="input_norm")(latents)
        if latents.ndim == 4:
            grid, prefix = latents.shape[1:3], 0
            x = self.filled(latents, _on_grid(places, grid))
        else:
            grid, prefix = self.grid_of(places.shape[1]), int(self.class_token)
            x = self.restored(latents, places)
        x = self.decoded(x, train)[-1]
        x = LayerNorm(dtype=self.dtype, name="norm")(x)[:, prefix:]
        x = self._scaled(x.reshape(x.shape[0], *grid, self.width))
        return latents, at_least_float32(self.linear(self.dim, "pred")(x))

    def _scaled(self, x):
        if self.scale == 0.5:
            return nn.avg_pool(x, (2, 2), (2, 2))
        up = partial(ConvTranspose, size=2, stride=2, dtype=self.dtype)
        if self.scale >= 2:
            x = up(self.width // 2, name="up1")(x)
        if self.scale == 4:
            x = LayerNorm(dtype=self.dtype, name="up_norm")(x)
            x = gelu(x)
            x = up(self.width // 4, name="up2")(x)
        return x


def _on_grid(mask, grid):
    """The mask `[b h w]` of places on a finer or the same grid."""
    for axis, side in ((1, grid[0]), (2, grid[1])):
        times, rest = divmod(side, mask.shape[axis])
        if rest:
            raise ValueError(
                f"a mask of {mask.shape[1]} x {mask.shape[2]} places does not divide "
                f"the map of {grid[0]} x {grid[1]}"
            )
        mask = jnp.repeat(mask, times, axis=axis)
    return mask


class LocalMIMDecoder(nn.Module):
    """One decoder per tap."""

    make: Any
    widths: Sequence[int]
    scales: Sequence[float | int]
    dims: Sequence[int]
    output: Any

    @nn.compact
    def __call__(
        self,
        latents: Sequence[Array] | Array,
        places: Shaped[Array, "b ..."],
        *,
        train: bool = False,
    ) -> list[Array] | dict[str, list[Array]]:
        _check_taps(latents, len(self.scales))
        outs = [
            self.make(width=width, scale=scale, dim=dim, name=f"decoder{i}")(
                tap, places, train
            )
            for i, (tap, width, scale, dim) in enumerate(
                zip(latents, self.widths, self.scales, self.dims, strict=True)
            )
        ]
        normed, maps = zip(*outs, strict=True)
        return select({"maps": list(maps), "latents": list(normed)}, self.output)


class DeepMIMDecoder(nn.Module):
    """One decoder per tap, all alike."""

    make: Any
    taps: int

    @nn.compact
    def __call__(
        self,
        latents: Sequence[Array] | Array,
        restore: Int[Array, "b n"],
        *,
        train: bool = False,
    ) -> list[Selected]:
        _check_taps(latents, self.taps)
        return [
            self.make(name=f"decoder{i}")(tap, restore, train=train)
            for i, tap in enumerate(latents)
        ]


def _check_taps(latents, taps):
    if not isinstance(latents, list | tuple) or len(latents) != taps:
        count = len(latents) if isinstance(latents, list | tuple) else "no list of"
        raise ValueError(f"the decoder has {taps} taps and is given {count} latents")


def per_tap(name, value, taps):
    """A number for every tap, or the numbers of the taps."""
    values = (value,) * taps if isinstance(value, int) else tuple(value)
    if len(values) != taps:
        raise ValueError(f"{name} is {values}; expected one for each of {taps} scales")
    return values
