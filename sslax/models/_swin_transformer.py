"""A Swin transformer as a module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from sslax import platforms
from sslax.arrays import at_least_float32
from sslax.models._layers import Conv, LayerNorm
from sslax.models._looks import attention_asked
from sslax.models._nets import Selected, select
from sslax.models._parameter import parameter
from sslax.models._swin_block import PatchMerging, SwinBlock, received

__all__ = ["Swin"]


class Swin(nn.Module):
    """Patches, stages of windowed blocks with merging between, norm."""

    width: int
    depths: Sequence[int]
    heads: Sequence[int]
    window_size: int
    patch_size: int
    mlp_ratio: float | int
    masked: str | None
    qkv_bias: bool
    norm_eps: float | int
    drop_path: float | int
    output: Any
    image_size: int | None
    remat: bool
    attention: Any
    dtype: Any

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "b h w c"],
        keep: Int[Array, "b k"] | None = None,
        mask: Shaped[Array, "b ..."] | None = None,
        *,
        train: bool = False,
    ) -> Selected:
        if keep is not None:
            raise ValueError("a Swin transformer looks at all patches; keep is given")
        self._check_sides(*images.shape[1:3])
        x = self._patches(images)
        outputs = {"patch_embed": x}
        x, hidden = self._masked(x, mask)
        asked = attention_asked(self.output, sum(self.depths))
        rates = np.linspace(0.0, self.drop_path, sum(self.depths))
        number = 0
        for i, depth in enumerate(self.depths):
            for j in range(depth):
                name, maps = f"layer{i + 1}_{j}", number in asked
                block = self._block(i, j, x.shape[1:3], name, maps, train)
                x, weights = block(x, float(rates[number]), hidden)
                x = platforms.computed_once(x)
                outputs[f"block{number}"] = x
                if maps:
                    outputs[f"attention{number}"] = weights
                    looks = received(weights, x.shape[1:3], block.window, block.shift)
                    outputs["attention"] = looks
                number += 1
            outputs[f"stage{i + 1}"] = x
            if i + 1 < len(self.depths):
                x = PatchMerging(self.norm_eps, self.dtype, name=f"merge{i + 1}")(x)
                outputs[f"merged{i + 1}"] = x
                hidden = None if hidden is None else hidden[:, ::2, ::2]
        x = self._norm("norm")(x)
        outputs["map"] = x
        outputs["tokens"] = x.reshape(x.shape[0], -1, x.shape[-1])
        outputs["pooled"] = at_least_float32(x).mean(axis=(1, 2))
        return select(outputs, self.output)

    def _check_sides(self, height, width):
        """Every window and every merging must fit."""
        merges = len(self.depths) - 1
        step = self.patch_size * 2**merges
        for side in (height, width):
            if side % step or side < step:
                low = max(side // step, 1) * step
                raise ValueError(
                    f"patches of {self.patch_size} pixels, merged {merges} times, need "
                    f"sides that {step} divides; the image has {height} x {width} "
                    f"pixels, the nearest sizes are {low} and {low + step}"
                )
        if self.image_size is not None:
            return  # zeros fill what windows do not
        for i in range(len(self.depths)):
            grid = height // self.patch_size // 2**i, width // self.patch_size // 2**i
            window = min(self.window_size, *grid)
            if grid[0] % window or grid[1] % window:
                sides = range(1, min(grid) + 1)
                fits = [w for w in sides if grid[0] % w == 0 == grid[1] % w]
                nearest = min(fits, key=lambda w: abs(w - self.window_size))
                raise ValueError(
                    f"window_size {self.window_size} does not divide the grid of "
                    f"{grid[0]} x {grid[1]} patches in stage {i + 1}; the nearest that "
                    f"does is {nearest}, and images with sides of a multiple of "
                    f"{step * self.window_size} pixels fit"
                )

    def _patches(self, images):
        x = Conv(
            self.width,
            self.patch_size,
            self.patch_size,
            padding=0,
            use_bias=True,
            kernel_init="uniform",
            dtype=self.dtype,
            name="patch_embed",
        )(images)
        return self._norm("patch_norm")(x)

    def _norm(self, name):
        return LayerNorm(epsilon=self.norm_eps, dtype=self.dtype, name=name)

    def _masked(self, x, mask):
        """(map with the mask token in, hidden places or None)."""
        if self.masked == "token" and (mask is not None or self.is_initializing()):
            normal = nn.initializers.normal(0.02)
            token = parameter(self, "mask_token", normal, (1, 1, self.width))
        if mask is None:
            return x, None
        if self.masked is None:
            raise ValueError("a mask is given to a net made with masked=None")
        mask = mask.reshape(*x.shape[:3]).astype(bool)
        if self.masked == "hidden":
            return x, mask
        return jnp.where(mask[..., None], token.astype(x.dtype)[None], x), None

    def _block(self, stage, number, grid, name, maps, train):
        if self.image_size is not None:
            grid = (self.image_size // self.patch_size // 2**stage,) * 2
        window = min(self.window_size, *grid)
        shifted = number % 2 == 1 and min(grid) > self.window_size
        width = self.width * 2**stage
        return (nn.remat(SwinBlock) if self.remat else SwinBlock)(
            heads=self.heads[stage],
            mlp_width=round(width * self.mlp_ratio),
            window=window,
            shift=window // 2 if shifted else 0,
            qkv_bias=self.qkv_bias,
            epsilon=self.norm_eps,
            implementation=self.attention,
            dtype=self.dtype,
            train=train,
            drops=self.drop_path > 0,
            maps=maps,
            name=name,
        )
