"""The module of vision transformers."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from sslax.arrays import at_least_float32
from sslax.models._layers import Conv, LayerNorm
from sslax.models._looks import attention_asked, off_grid, on_grid
from sslax.models._map_head import MapHead
from sslax.models._nets import Selected, select
from sslax.models._parameter import parameter
from sslax.models._positions import positions_on, sincos_table
from sslax.models._transformer import (
    ACTIVATIONS,
    INITS,
    RelativePositions,
    run_blocks,
)

__all__ = ["POOLS", "POSITIONS", "ViT", "patch_grid"]

POOLS = ("cls", "mean", "map")
POSITIONS = ("learned", "sincos", "sincos_row", "sincos_learned", "none")


def patch_grid(images, patch):
    """Rows and columns of patches of images `[b h w c]`."""
    height, width = images.shape[1:3]
    if height % patch == 0 and width % patch == 0:
        return height // patch, width // patch
    nearest = sorted(
        {
            max(side // patch + up, 1) * patch
            for side in (height, width)
            for up in (0, 1)
        }
    )
    raise ValueError(
        f"patch_size {patch} does not divide the image of {height} x {width} pixels; "
        f"the nearest sizes are {', '.join(map(str, nearest))}"
    )


def _fixed(grid, width, first, prefix):
    """The table of sin-cos positions, zeros for the class token."""
    table = sincos_table(*grid, width, first)
    table = np.concatenate([np.zeros((prefix, width)), table])
    return jnp.asarray(table[None], jnp.float32)


class ViT(nn.Module):
    """Patches, positions, blocks, norm; `output` names what it returns."""

    width: int
    depth: int
    heads: int
    mlp_width: int
    patch_size: int
    class_token: bool = True
    pool: str = "cls"
    positions: str = "learned"
    resize: str = "size"
    relative: str | None = None
    mask_token: bool = False
    qkv_bias: bool | str = True
    activation: str = "gelu"
    layer_scale: float | int | None = None
    drop_path: float | int = 0.0
    freeze_patches: bool = False
    kernel_init: str = "truncated"
    output: Any = "pooled"
    remat: bool = False
    scan: bool = False
    attention: str = "auto"
    dtype: Any = None

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "b h w c"],
        keep: Int[Array, "b k"] | None = None,
        mask: Shaped[Array, "b ..."] | None = None,
        *,
        train: bool = False,
    ) -> Selected:
        grid = patch_grid(images, self.patch_size)
        prefix = int(self.class_token)
        x = self._patches(images)
        outputs = {"patch_embed": x}
        x = self._masked(x, mask)
        outputs["embedded"] = x = self._embedded(x, grid, keep)
        make = partial(RelativePositions, grid=grid, class_token=self.class_token)
        shared = self.relative == "shared"
        bias = make(heads=self.heads, name="relative")() if shared else None
        names = {self.output} if isinstance(self.output, str) else set(self.output)
        probed = self.pool == "map"
        blocks, found = run_blocks(
            self._block(train, make if self.relative == "block" else None),
            x,
            bias,
            depth=self.depth,
            drop_path=self.drop_path,
            remat=self.remat,
            scan=self.scan,
            maps=attention_asked(
                self.output, self.depth, whole=keep is None and not probed
            ),
        )
        outputs |= {f"block{i}": block for i, block in enumerate(blocks)}
        outputs |= {f"attention{i}": weights for i, weights in found.items()}
        pooled, looks = self._pooled(blocks, names, prefix)
        outputs |= pooled
        if keep is None:
            # A probe is the last to look.
            last = self.depth if probed else self.depth - 1
            place = {"grid": grid, "last": last, "prefix": prefix}
            outputs |= on_grid(outputs["tokens"], found | looks, **place)
            return select(outputs, self.output)
        return select(outputs, off_grid(self.output))

    def _patches(self, images):
        x = Conv(
            self.width,
            self.patch_size,
            self.patch_size,
            padding=0,
            use_bias=True,
            kernel_init=INITS[self.kernel_init].patch,
            dtype=self.dtype,
            name="patch_embed",
        )(images)
        x = x.reshape(x.shape[0], -1, self.width)
        return jax.lax.stop_gradient(x) if self.freeze_patches else x

    def _masked(self, x, mask):
        if not self.mask_token:
            if mask is not None:
                raise ValueError("a mask is given to a net made without mask_token")
            return x
        if mask is None and not self.is_initializing():
            return x  # a teacher, who sees all patches, has no token
        normal = nn.initializers.normal(0.02)
        token = parameter(self, "mask_token", normal, (1, 1, self.width))
        if mask is None:
            return x
        mask = mask.reshape(x.shape[0], -1, 1).astype(bool)
        return jnp.where(mask, token.astype(x.dtype), x)

    def _embedded(self, x, grid, keep):
        prefix = int(self.class_token)
        table = None
        if self.positions != "none":
            table = self._positions(grid).astype(x.dtype)
            x = x + table[:, prefix:]
        if keep is not None:
            x = jnp.take_along_axis(x, keep[:, :, None], axis=1)
        if not self.class_token:
            return x
        deviation = {"xavier_qkv": 1e-6, "big_vision": 0.0}.get(self.kernel_init, 0.02)
        normal = nn.initializers.normal(deviation)
        token = parameter(self, "cls_token", normal, (1, 1, self.width))
        token = token.astype(x.dtype)
        token = token if table is None else token + table[:, :1]
        token = jnp.broadcast_to(token, (x.shape[0], 1, self.width))
        return jnp.concatenate([token, x], axis=1)

    def _positions(self, grid):
        prefix = int(self.class_token)
        if self.positions in ("sincos", "sincos_row"):
            first = "column" if self.positions == "sincos" else "row"
            return _fixed(grid, self.width, first, prefix)
        if self.has_variable("params", "pos_embed"):
            table = self.get_variable("params", "pos_embed")
            return positions_on(table, grid, prefix=prefix, convention=self.resize)
        shape = (1, prefix + grid[0] * grid[1], self.width)
        wide = self.kernel_init == "big_vision"
        start = nn.initializers.normal(self.width**-0.5 if wide else 0.02)
        if self.positions == "sincos_learned":
            start = lambda *_: _fixed(grid, self.width, "column", prefix)  # noqa: E731
        return parameter(self, "pos_embed", start, shape)

    def _block(self, train, relative):
        def make(kind, **options):
            return kind(
                heads=self.heads,
                mlp_width=self.mlp_width,
                qkv_bias=self.qkv_bias,
                activation=ACTIVATIONS[self.activation],
                relative=relative,
                layer_scale=self.layer_scale,
                inits=INITS[self.kernel_init],
                implementation=self.attention,
                dtype=self.dtype,
                train=train,
                **options,
            )

        return make

    def _pooled(self, blocks, names, prefix):
        x = blocks[-1]
        if self.pool == "mean":
            mean = at_least_float32(x[:, prefix:]).mean(axis=1)
            pooled = LayerNorm(dtype=self.dtype, name="fc_norm")(mean)
            return {"tokens": x, "pooled": at_least_float32(pooled)}, {}
        norm = LayerNorm(dtype=self.dtype, name="norm")
        tokens, looks = norm(x), {}
        pooled = tokens[:, 0]
        if self.pool == "map":
            pooled, weights = self._probed(tokens, "attention" in names)
            looks = {} if weights is None else {self.depth: weights}
        out = {"tokens": tokens, "pooled": at_least_float32(pooled)}
        for i, block in enumerate(blocks):
            if f"normed{i}" in names:
                out[f"normed{i}"] = norm(block)
        return out, looks

    def _probed(self, tokens, with_map):
        head = MapHead(
            heads=self.heads,
            mlp_width=self.mlp_width,
            inits=INITS[self.kernel_init],
            activation=ACTIVATIONS[self.activation],
            dtype=self.dtype,
            name="pool",
        )
        return head(tokens, with_map=with_map)
