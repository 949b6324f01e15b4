"""The encoder of ConvMAE: masked convolutions, then a transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sslax.arrays import at_least_float32
from sslax.checks import check_choice
from sslax.core import Net
from sslax.models._attention import FORMS
from sslax.models._conv_block import ConvBlock, conv_norm
from sslax.models._layers import Conv, Dense, LayerNorm
from sslax.models._looks import attention_asked, off_grid, on_grid
from sslax.models._mask_decoder import check_heads
from sslax.models._nets import Selected, compute_dtype, from_linen, select
from sslax.models._parameter import parameter
from sslax.models._positions import positions_on, sincos_table
from sslax.models._transformer import INITS, gelu, run_blocks

__all__ = ["convmae_encoder"]


class ConvMAE(nn.Module):
    """Two stages of convolution blocks, one of transformer blocks."""

    widths: Sequence[int]
    depths: Sequence[int]
    strides: Sequence[int]
    heads: int
    mlp_ratio: float | int
    fusion: bool
    positions: str
    drop_path: float | int
    output: Any
    remat: bool
    scan: bool
    attention: Any
    impl: str
    dtype: Any

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "b h w c"],
        keep: Int[Array, "b k"] | None = None,
        *,
        train: bool = False,
    ) -> Selected:
        grid = self._grid(*images.shape[1:3])
        visible = self._visible(images.shape[0], grid, keep)
        outputs, x, rates = {}, images, np.linspace(0, self.drop_path, sum(self.depths))
        for i in (1, 2):
            x = self._patches(x, i)
            mask = None if visible is None else self._repeated(visible, i)
            for j in range(self.depths[i - 1]):
                rate = float(rates[j + (i - 1) * self.depths[0]])
                x = self._conv_block(x.shape[-1], rate, train, f"layer{i}_{j}")(x, mask)
                outputs[f"stage{i}_block{j}"] = x
            outputs[f"stage{i}"] = x
        x = self._patches(x, 3)
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        x = Dense(
            self.widths[2], kernel_init="xavier", dtype=self.dtype, name="patch_embed4"
        )(x)
        outputs["patch_embed"] = x
        x = _gathered(x + self._positions(grid).astype(x.dtype), keep)
        blocks, found = self._transformer(x, rates, train, whole=keep is None)
        outputs |= {f"block{i}": block for i, block in enumerate(blocks)}
        outputs |= {f"attention{i}": weights for i, weights in found.items()}
        outputs |= self._pooled(blocks[-1], outputs, keep)
        if keep is None:
            place = {"grid": grid, "last": self.depths[2] - 1, "prefix": 0}
            outputs |= on_grid(outputs["tokens"], found, **place)
            return select(outputs, self.output)
        return select(outputs, off_grid(self.output))

    def _grid(self, height, width):
        step = int(np.prod(self.strides))
        for side in (height, width):
            if side % step or side < step:
                low = max(side // step, 1) * step
                raise ValueError(
                    f"strides {tuple(self.strides)} need sides that {step} divides; "
                    f"the image has {height} x {width} pixels, the nearest sizes are "
                    f"{low} and {low + step}"
                )
        return height // step, width // step

    def _visible(self, batch, grid, keep):
        if keep is None:
            return None
        visible = jnp.zeros((batch, grid[0] * grid[1]), jnp.float32)
        visible = visible.at[jnp.arange(batch)[:, None], keep].set(1.0)
        return visible.reshape(batch, *grid, 1)

    def _repeated(self, visible, stage):
        times = int(np.prod(self.strides[stage:]))
        return visible.repeat(times, axis=1).repeat(times, axis=2)

    def _patches(self, x, stage):
        stride = self.strides[stage - 1]
        x = Conv(
            self.widths[stage - 1],
            stride,
            stride,
            padding=0,
            use_bias=True,
            kernel_init="xavier" if stage == 3 else "uniform",
            dtype=self.dtype,
            name=f"patch_embed{stage}",
        )(x)
        return gelu(conv_norm(dtype=self.dtype, name=f"patch_norm{stage}")(x))

    def _conv_block(self, width, rate, train, name):
        return (nn.remat(ConvBlock) if self.remat else ConvBlock)(
            mlp_width=round(width * self.mlp_ratio),
            impl=self.impl,
            dtype=self.dtype,
            train=train,
            drop_path=rate,
            name=name,
        )

    def _positions(self, grid):
        table = sincos_table(*grid, self.widths[2], "column")
        fixed = jnp.asarray(table[None], jnp.float32)
        if self.positions == "sincos":
            return fixed
        if self.has_variable("params", "pos_embed"):
            return positions_on(
                self.get_variable("params", "pos_embed"), grid, prefix=0
            )
        start = nn.initializers.normal(0.02)
        if self.positions == "sincos_learned":
            start = lambda *_: fixed  # noqa: E731
        return parameter(self, "pos_embed", start, fixed.shape)

    def _transformer(self, x, rates, train, *, whole):
        def block(kind, **options):
            return kind(
                heads=self.heads,
                mlp_width=round(self.widths[2] * self.mlp_ratio),
                qkv_bias=True,
                relative=None,
                layer_scale=None,
                inits=INITS["xavier"],
                implementation=self.attention,
                dtype=self.dtype,
                train=train,
                **options,
            )

        return run_blocks(
            block,
            x,
            depth=self.depths[2],
            drop_path=rates[-self.depths[2] :],
            remat=self.remat,
            scan=self.scan,
            maps=attention_asked(self.output, self.depths[2], whole=whole),
        )

    def _pooled(self, x, outputs, keep):
        if not self.fusion:
            mean = at_least_float32(x).mean(axis=1)
            pooled = LayerNorm(dtype=self.dtype, name="fc_norm")(mean)
            return {"tokens": x, "pooled": at_least_float32(pooled)}
        for i in (1, 2):
            stride = int(np.prod(self.strides[i:]))
            fused = Conv(
                self.widths[2],
                stride,
                stride,
                padding=0,
                use_bias=True,
                kernel_init="uniform",
                dtype=self.dtype,
                name=f"fuse{i}",
            )(outputs[f"stage{i}"])
            x = x + _gathered(fused.reshape(x.shape[0], -1, x.shape[-1]), keep)
        x = LayerNorm(dtype=self.dtype, name="norm")(x)
        return {"tokens": x, "pooled": at_least_float32(x).mean(axis=1)}


def _gathered(x, keep):
    return x if keep is None else jnp.take_along_axis(x, keep[:, :, None], axis=1)


def convmae_encoder(
    *,
    widths: Sequence[int] = (256, 384, 768),
    depths: Sequence[int] = (2, 2, 11),
    strides: Sequence[int] = (4, 2, 2),
    heads: int = 12,
    mlp_ratio: float | int = 4,
    fusion: bool = True,
    positions: str = "sincos",
    drop_path: float | int = 0.0,
    output: str | Sequence[str] = "tokens",
    remat: bool = False,
    scan: bool = False,
    attention: str = "auto",
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """The encoder of ConvMAE: masked convolutions at two scales, then a transformer.

    A place of the last grid is kept or masked as a whole at every scale. The mask
    multiplies what goes into the 5x5 convolutions and nothing else, so kept places
    never see masked pixels. The decoder is `mae_decoder(class_token=False)`. The
    defaults are ConvMAE-Base.

    Args:
      widths: channels of the three stages.
      depths: blocks of the three stages.
      strides: how much each stage's patch embedding shrinks the map; their product is
        the side in pixels of a place of the last grid (4, 2, 2: 16).
      heads: attention heads of the last stage.
      mlp_ratio: width of the MLPs over that of the stage.
      fusion: True for pretraining: the maps of the first two stages, brought to the
        last grid, are added before the final norm, and "pooled" is the mean of the
        normed tokens. False for fine-tuning: the last stage alone; "pooled" is a norm
        of the mean of its tokens.
      positions: of the last stage: "sincos" (fixed, MAE's order), "learned", or
        "sincos_learned" (learned, and "sincos" at the start: for fine-tuning).
      drop_path: rate of the last block, growing linearly from 0; no key, no drops.
      output: "tokens" [b k d], "pooled" [b d], "map" [b h w d] and "attention"
        [b heads h w] as in `vit`, "stage1" and "stage2" (maps after their
        blocks), "stage1_block0", ..., "patch_embed" [b n d], "block0", ... and
        "attention0", ... of the last stage; several names give a dict.
      remat: compute blocks again in the backward pass.
      scan: trace one transformer block and stack the parameters.
      attention: implementation of attention, as in `vit`.
      conv_impl: "lax", "matmul" or "auto" (a sum of shifted copies on CPU).
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of `(images [b h w c], keep=None)`, with `keep` int32 [b k] the numbers of
      the places to keep on the last grid, in the order in which they come out; None
      keeps all. 1x1 convolutions are linear layers: their kernels are `[in out]`.

    Raises:
      ValueError: not three widths, depths and strides; heads that do not divide the
        last width; an unknown positions; and, when it is called, an image that the
        strides do not divide.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = convmae_encoder(widths=(4, 8, 16), depths=(1, 1, 1), heads=2)
      >>> inputs = jnp.zeros((2, 32, 32, 3)), jnp.array([[3], [0]])
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), *inputs)
      >>> jax.eval_shape(net.apply, params, stats, *inputs)[0].shape
      (2, 1, 16)

    References:
      Gao et al., "ConvMAE: Masked Convolution Meets Masked Autoencoders", 2022,
      arXiv:2205.03892, section 3.
    """
    for name, value in (("widths", widths), ("depths", depths), ("strides", strides)):
        if len(value) != 3:
            raise ValueError(f"{name} is {tuple(value)}; expected three, one per stage")
    check_choice(("sincos", "learned", "sincos_learned"), positions=positions)
    check_choice(FORMS, attention=attention)
    check_heads(widths[2], heads)
    module = ConvMAE(
        widths=tuple(widths),
        depths=tuple(depths),
        strides=tuple(strides),
        heads=heads,
        mlp_ratio=mlp_ratio,
        fusion=fusion,
        positions=positions,
        drop_path=drop_path,
        output=output if isinstance(output, str) else tuple(output),
        remat=remat,
        scan=scan,
        attention=attention,
        impl=conv_impl,
        dtype=compute_dtype(dtype),
    )
    return from_linen(module)
