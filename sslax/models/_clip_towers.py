"""The transformers of CLIP, and of texts in its relatives, as modules."""

from __future__ import annotations

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sslax.arrays import at_least_float32
from sslax.checks import check_choice
from sslax.models._layers import Conv, Dense, LayerNorm
from sslax.models._looks import attention_asked, on_grid
from sslax.models._nets import Selected, select
from sslax.models._parameter import parameter
from sslax.models._positions import positions_on
from sslax.models._transformer import ACTIVATIONS, INITS, Inits, run_blocks
from sslax.models._vision_transformer import patch_grid

__all__ = ["ImageTower", "Manner", "TextTower", "clip_manner", "siglip_manner"]

# Added to the logits of later words: the softmax gives exactly 0, even in float16.
_LATER = -1e4


class Manner(NamedTuple):
    """What the towers of CLIP and of SigLIP do in ways of their own.

    Attributes:
      activation: of the MLPs.
      epsilon: of the norms.
      blocks: initialisers of the blocks.
      words: initialiser of the vectors of words.
      places: initialiser of the positions.
      projection: initialiser of the last layer.
      bias: whether the last layer has one.
    """

    activation: Any
    epsilon: float
    blocks: Inits
    words: Any
    places: Any
    projection: Any
    bias: bool


def clip_manner(width: int, depth: int, activation: str) -> Manner:
    """As CLIP was released, but for the activation.

    Raises:
      ValueError: an unknown activation.
    """
    check_choice(ACTIVATIONS, activation=activation)
    normal = nn.initializers.normal
    blocks = Inits(
        linear=normal((2 * width) ** -0.5),
        fused=normal(width**-0.5),
        patch="uniform",
        end=normal((2 * depth * width) ** -0.5),
    )
    own = {"words": normal(0.02), "places": normal(0.01), "bias": False}
    own |= {"projection": normal(width**-0.5)}
    return Manner(ACTIVATIONS[activation], 1e-5, blocks, **own)


def siglip_manner(width: int) -> Manner:
    """As big_vision trains SigLIP."""
    normal = nn.initializers.normal(width**-0.5)
    own = {"words": normal, "places": normal, "projection": "lecun", "bias": True}
    return Manner(ACTIVATIONS["gelu_tanh"], 1e-6, INITS["big_vision"], **own)


class Tower(nn.Module):
    """Fields and blocks that the two transformers share."""

    manner: Manner
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
        depth = self.depth

        def block(kind, **options):
            return kind(
                heads=self.heads,
                mlp_width=4 * self.width,
                qkv_bias=True,
                relative=None,
                layer_scale=None,
                inits=self.manner.blocks,
                implementation=self.attention,
                dtype=self.dtype,
                train=train,
                activation=self.manner.activation,
                epsilon=self.manner.epsilon,
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

    def norm(self, x, name):
        """One of the norms beside the blocks."""
        return LayerNorm(epsilon=self.manner.epsilon, dtype=self.dtype, name=name)(x)

    def projected(self, x):
        """A linear layer to the shared space."""
        project = Dense(
            self.dim,
            use_bias=self.manner.bias,
            kernel_init=self.manner.projection,
            dtype=self.dtype,
            name="projection",
        )
        return at_least_float32(project(x))


class TextTower(Tower):
    """Words, positions, blocks, norm, one token, projection.

    Causal blocks are read at the end token; where all words see all, the last is read.
    """

    words: int
    context: int
    causal: bool

    @nn.compact
    def __call__(self, tokens: Int[Array, "b n"], *, train: bool = False) -> Selected:
        count = tokens.shape[1]
        if count > self.context:
            raise ValueError(
                f"texts have {count} tokens; this net has a context of {self.context}"
            )
        shape = (self.words, self.width)
        table = parameter(self, "token_embed", self.manner.words, shape)
        shape = (1, self.context, self.width)
        places = parameter(self, "pos_embed", self.manner.places, shape)
        x = table[tokens] + places[:, :count]
        x = x if self.dtype is None else x.astype(self.dtype)
        later = _later(count, x.dtype) if self.causal else None
        outputs, x, _ = self.run(x, later, train)
        x = self.norm(x, "norm")
        pooled = self.projected(self._read(x, tokens))
        return select(outputs | {"tokens": x, "pooled": pooled}, self.output)

    def _read(self, x, tokens):
        if not self.causal:
            return x[:, -1]
        end = tokens.argmax(axis=-1)
        return jnp.take_along_axis(x, end[:, None, None], axis=1)[:, 0]


def _later(count, dtype):
    """What hides later words, added to the logits: `[1 1 n n]`."""
    later = np.triu(np.full((count, count), _LATER), 1)
    return jnp.asarray(later[None, None], dtype)


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
            kernel_init=self.manner.blocks.patch,
            dtype=self.dtype,
            name="patch_embed",
        )(images)
        x = x.reshape(x.shape[0], -1, self.width)
        init, shape = normal(self.width**-0.5), (1, 1, self.width)
        token = parameter(self, "cls_token", init, shape).astype(x.dtype)
        token = jnp.broadcast_to(token, (x.shape[0], 1, self.width))
        x = jnp.concatenate([token, x], axis=1)
        x = x + self._positions(grid, init).astype(x.dtype)
        x = self.norm(x, "norm_pre")
        outputs, x, found = self.run(x, None, train)
        x = self.norm(x, "norm")
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
