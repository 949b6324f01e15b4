"""Encoder and decoder of masked autoencoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float, Int

from sslax.arrays import at_least_float32
from sslax.core import Net
from sslax.models._layers import LayerNorm
from sslax.models._mask_decoder import MaskDecoder, check_heads
from sslax.models._nets import Selected, compute_dtype, from_linen, select
from sslax.models._vit import vit

__all__ = ["mae_decoder", "mae_encoder"]


def mae_encoder(
    *,
    size: str = "base",
    width: int | None = None,
    depth: int | None = None,
    heads: int | None = None,
    mlp_ratio: float | int | None = None,
    patch_size: int = 16,
    output: str | Sequence[str] = "tokens",
    remat: bool = False,
    scan: bool = False,
    attention: str = "auto",
    dtype: str | None = None,
) -> Net:
    """The encoder of MAE: a ViT that looks only at the patches that are kept.

    Fixed sin-cos positions are added before patches are dropped, the class token comes
    after; a final norm; Xavier initialisation. Its parameters fit `vit` with
    `positions="sincos", init="xavier"`.

    Args:
      size: as in `vit`.
      width: channels, in place of the size's.
      depth: blocks, in place of the size's.
      heads: attention heads, in place of the size's.
      mlp_ratio: width of the MLP over `width`, in place of the size's.
      patch_size: side of a patch in pixels.
      output: as in `vit`.
      remat: compute blocks again in the backward pass.
      scan: trace one block and stack the parameters.
      attention: implementation of attention, as in `vit`.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of `(images [b h w c], keep=None)`, with `keep` int32 [b k] the numbers of
      the patches to keep, in the order in which they come out; None keeps all. The
      output is `[b 1+k d]`, the class token first.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = mae_encoder(width=16, depth=1, heads=2, patch_size=4)
      >>> inputs = jnp.zeros((2, 8, 8, 3)), jnp.array([[3], [0]])
      >>> params, stats = net.init(jax.random.key(0), *inputs)
      >>> net.apply(params, stats, *inputs)[0].shape
      (2, 2, 16)

    References:
      He et al., "Masked Autoencoders Are Scalable Vision Learners", 2022,
      arXiv:2111.06377, section 3 and appendix A.1.
    """
    return vit(
        size=size,
        width=width,
        depth=depth,
        heads=heads,
        mlp_ratio=mlp_ratio,
        patch_size=patch_size,
        positions="sincos",
        init="xavier",
        output=output,
        remat=remat,
        scan=scan,
        attention=attention,
        dtype=dtype,
    )


class Decoder(MaskDecoder):
    """A mask decoder with a final norm and a linear layer."""

    dim: int
    output: Any

    @nn.compact
    def __call__(
        self,
        latents: Float[Array, "b k c"],
        restore: Int[Array, "b n"],
        *,
        train: bool = False,
    ) -> Selected:
        blocks = self.decoded(self.restored(latents, restore), train)
        x = LayerNorm(dtype=self.dtype, name="norm")(blocks[-1])
        tokens = at_least_float32(self.linear(self.dim, "pred")(x))
        outputs = {f"block{i}": block for i, block in enumerate(blocks)}
        pixels = tokens[:, int(self.class_token) :]
        return select(outputs | {"tokens": tokens, "pixels": pixels}, self.output)


def mae_decoder(
    *,
    patch_size: int = 16,
    channels: int = 3,
    width: int = 512,
    depth: int = 8,
    heads: int = 16,
    mlp_ratio: float | int = 4,
    dim: int | None = None,
    class_token: bool = True,
    grid: Sequence[int] | None = None,
    output: str | Sequence[str] = "pixels",
    remat: bool = False,
    scan: bool = False,
    attention: str = "auto",
    dtype: str | None = None,
) -> Net:
    """The decoder of MAE: from latents of the kept patches to pixels of all patches.

    Linear layer, one learned mask token for every dropped patch, patches back in their
    places, fixed sin-cos positions, blocks, norm, linear layer; the class token's
    output is dropped.

    Args:
      patch_size: side of a patch in pixels.
      channels: channels of the image.
      width: channels of the decoder.
      depth: blocks.
      heads: attention heads.
      mlp_ratio: width of the MLP over `width`.
      dim: length of a prediction in place of p*p*c, for targets that are not pixels.
      class_token: whether the latents begin with a class token (ConvMAE's do not).
      grid: rows and columns of patches; None is a square.
      output: "pixels", "tokens" (the same before the class token's output is dropped),
        or "block0", ...; several names give a dict.
      remat: compute blocks again in the backward pass.
      scan: trace one block and stack the parameters.
      attention: implementation of attention, as in `vit`.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of `(latents [b (1+)k d], restore int32 [b n])` with output `[b n p*p*c]`,
      at least float32; a patch vector is (row, column, channel), the channel fastest.

    Raises:
      ValueError: heads that do not divide the width; a number of patches that is not
        the grid, when it is called.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = mae_decoder(patch_size=4, width=16, depth=1, heads=2)
      >>> inputs = jnp.zeros((2, 2, 8)), jnp.array([[3, 1, 2, 0], [0, 1, 2, 3]])
      >>> params, stats = net.init(jax.random.key(0), *inputs)
      >>> net.apply(params, stats, *inputs)[0].shape
      (2, 4, 48)

    References:
      He et al., "Masked Autoencoders Are Scalable Vision Learners", 2022,
      arXiv:2111.06377, section 3 and appendix A.1.
    """
    check_heads(width, heads)
    module = Decoder(
        width=width,
        depth=depth,
        heads=heads,
        mlp_width=round(width * mlp_ratio),
        dim=patch_size * patch_size * channels if dim is None else dim,
        class_token=class_token,
        grid=None if grid is None else tuple(grid),
        output=output if isinstance(output, str) else tuple(output),
        remat=remat,
        scan=scan,
        attention=attention,
        dtype=compute_dtype(dtype),
    )
    return from_linen(module)
