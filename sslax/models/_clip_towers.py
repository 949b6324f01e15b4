"""CLIP's two transformers as modules."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sslax.arrays import at_least_float32
from sslax.models._layers import Conv, Dense, LayerNorm
from sslax.models._looks import attention_asked, on_grid
from sslax.models._nets import Selected, select
from sslax.models._parameter import parameter
from sslax.models._positions import positions_on
from sslax.models._transformer import Inits, run_blocks
from sslax.models._vision_transformer import patch_grid

__all__ = ["ImageTower", "TextTower", "quick_gelu"]

_norm = partial(LayerNorm, epsilon=1e-5)
# Added to the logits of later words: the softmax gives exactly 0, even in float16.
_LATER = -1e4


def quick_gelu(x):
    """The GELU that CLIP's weights are trained with."""
    return x * jax.nn.sigmoid(1.702 * x)


class Tower(nn.Module):
    """Fields and blocks that the two transformers share."""

    dim: int
    width: int
    depth: int
    heads: int
    output: Any
    remat: bool
    scan: bool
    attention: Any
    dtype: Any

    def run(self, x, bias, train):
        """({"block0": ..., "attention0": ...}, last block's tokens, attention)."""
        width, depth = self.width, self.depth
        normal = nn.initializers.normal
        inits = Inits(
            linear=normal((2 * width) ** -0.5),
            fused=normal(width**-0.5),
            patch=None,
            end=normal((2 * depth * width) ** -0.5),
        )

        def block(kind, **options):
            return kind(
                heads=self.heads,
                mlp_width=4 * width,
                qkv_bias=True,
                relative=None,
                layer_scale=None,
                inits=inits,
                implementation=self.attention,
                dtype=self.dtype,
                train=train,
                activation=quick_gelu,
                epsilon=1e-5,
                **options,
            )

        blocks, maps = run_blocks(
            block,
            x,
            bias,
            depth=depth,
            drop_path=0.0,
            remat=self.remat,
            scan=self.scan,
            maps=attention_asked(self.output, depth),
        )
        outputs = {f"block{i}": block for i, block in enumerate(blocks)}
        outputs |= {f"attention{i}": weights for i, weights in maps.items()}
        return outputs, blocks[-1], maps

    def projected(self, x):
        """A linear layer without bias to the shared space."""
        project = Dense(
            self.dim,
            use_bias=False,
            kernel_init=nn.initializers.normal(self.width**-0.5),
            dtype=self.dtype,
            name="projection",
        )
        return at_least_float32(project(x))


class TextTower(Tower):
    """Words, positions, causal blocks, norm, the end token, projection."""

    words: int
    context: int

    @nn.compact
    def __call__(self, tokens: Int[Array, "b n"], *, train: bool = False) -> Selected:
        count = tokens.shape[1]
        if count > self.context:
            raise ValueError(
                f"texts have {count} tokens; this net has a context of {self.context}"
            )
        normal, shape = nn.initializers.normal, (self.words, self.width)
        table = parameter(self, "token_embed", normal(0.02), shape)
        shape = (1, self.context, self.width)
        places = parameter(self, "pos_embed", normal(0.01), shape)
        x = table[tokens] + places[:, :count]
        x = x if self.dtype is None else x.astype(self.dtype)
        later = np.triu(np.full((count, count), _LATER), 1)[None, None]
        outputs, x, _ = self.run(x, jnp.asarray(later, x.dtype), train)
        x = _norm(dtype=self.dtype, name="norm")(x)
        end = tokens.argmax(axis=-1)
        last = jnp.take_along_axis(x, end[:, None, None], axis=1)[:, 0]
        return select(
            outputs | {"tokens": x, "pooled": self.projected(last)}, self.output
        )


class ImageTower(Tower):
    """Patches, class token, positions, norm, blocks, norm, projection."""

    patch_size: int

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool = False
    ) -> Selected:
        grid = patch_grid(images, self.patch_size)
        normal = nn.initializers.normal
        x = Conv(
            self.width,
            self.patch_size,
            self.patch_size,
            padding=0,
            kernel_init="uniform",
            dtype=self.dtype,
            name="patch_embed",
        )(images)
        x = x.reshape(x.shape[0], -1, self.width)
        init, shape = normal(self.width**-0.5), (1, 1, self.width)
        token = parameter(self, "cls_token", init, shape).astype(x.dtype)
        token = jnp.broadcast_to(token, (x.shape[0], 1, self.width))
        x = jnp.concatenate([token, x], axis=1)
        x = x + self._positions(grid, init).astype(x.dtype)
        x = _norm(dtype=self.dtype, name="norm_pre")(x)
        outputs, x, found = self.run(x, None, train)
        x = _norm(dtype=self.dtype, name="norm")(x)
        tokens = self.projected(x)
        outputs |= {"unprojected": at_least_float32(x[:, 0])}
        outputs |= {"tokens": tokens, "pooled": tokens[:, 0]}
        outputs |= on_grid(tokens, found, grid=grid, last=self.depth - 1, prefix=1)
        return select(outputs, self.output)

    def _positions(self, grid, init):
        if not self.has_variable("params", "pos_embed"):
            shape = (1, 1 + grid[0] * grid[1], self.width)
            return parameter(self, "pos_embed", init, shape)
        return positions_on(self.get_variable("params", "pos_embed"), grid, prefix=1)
