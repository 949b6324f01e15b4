"""Decoders of several taps of an encoder: LocalMIM's and DeepMIM's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Int, Shaped

from sslax.arrays import at_least_float32, check_choice
from sslax.core import Net
from sslax.models._convolutions import ConvTranspose
from sslax.models._layers import LayerNorm
from sslax.models._mae import Decoder
from sslax.models._mask_decoder import MaskDecoder, check_heads
from sslax.models._nets import Selected, compute_dtype, from_linen, select
from sslax.models._transformer import gelu

__all__ = ["deep_mim_decoder", "local_mim_decoder"]

_SCALES = (4, 2, 1, 0.5)


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


def _per_tap(name, value, taps):
    """A number for every tap, or the numbers of the taps."""
    values = (value,) * taps if isinstance(value, int) else tuple(value)
    if len(values) != taps:
        raise ValueError(f"{name} is {values}; expected one for each of {taps} scales")
    return values


def local_mim_decoder(
    *,
    scales: Sequence[float | int] = _SCALES,
    dim: int | Sequence[int] = 27,
    width: int | Sequence[int] = 256,
    depth: int = 1,
    heads: int = 8,
    mlp_ratio: float | int = 4,
    class_token: bool = True,
    grid: Sequence[int] | None = None,
    output: str | Sequence[str] = "maps",
    remat: bool = False,
    attention: str | None = None,
    dtype: str | None = None,
) -> Net:
    """LocalMIM's decoders: a small one for each tap, predicting at the tap's scale.

    For each tap of the encoder, low to high: a norm of its own, a linear layer, a
    learned mask token at missing places, fixed sin-cos positions, blocks, a norm, the
    map brought to the scale's grid (transposed convolutions of size 2, or a mean of
    2 x 2), a linear layer. Initialised as MAE's.

    Args:
      scales: the grid of each prediction over that of its tap: 4, 2, 1 or 0.5.
      dim: length of a prediction, for all or for each: 3 * bins for HOG, 3 p^2 for
        pixels of patches of side p.
      width: channels, for all or for each (Swin-B: (64, 128, 128, 128)).
      depth: blocks of each.
      heads: attention heads (Swin: 4).
      mlp_ratio: width of the MLP over `width`.
      class_token: whether the latents of kept patches begin with a class token.
      grid: rows and columns of patches; None is a square.
      output: "maps", or "latents" (the taps after their norms); both give a dict.
      remat: compute blocks again in the backward pass.
      attention: implementation of attention, as in `vit`.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of `(latents, places)` with a list of maps `[b gh gw dim]`, at least
      float32. Latents are a list, either of kept patches `[b 1+k d]`, with places the
      order that restores them, int32 [b n]; or of whole maps `[b h w d]` (Swin, with
      `masked="hidden"`), whose d may differ, with places the mask `[b h w]`, 1 where
      hidden, on the coarsest grid.

    Raises:
      ValueError: an unknown scale; dim or width of another length than scales; heads
        that do not divide a width; and, when it is called, latents of another number.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = local_mim_decoder(scales=(2, 0.5), dim=9, width=16, heads=2)
      >>> taps, restore = [jnp.zeros((1, 3, 8))] * 2, jnp.array([[1, 0, 2, 3]])
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), taps, restore)
      >>> maps, _ = jax.eval_shape(net.apply, params, stats, taps, restore)
      >>> [map.shape for map in maps]
      [(1, 4, 4, 9), (1, 1, 1, 9)]

    References:
      Wang et al., "Masked Image Modeling with Local Multi-Scale Reconstruction", 2023,
      arXiv:2303.05251, section 3.
    """
    for scale in scales:
        check_choice(_SCALES, scale=scale)
    widths = _per_tap("width", width, len(scales))
    for each in widths:
        check_heads(each, heads)

    def make(*, width, **options):
        return ScaleDecoder(
            width=width,
            depth=depth,
            heads=heads,
            mlp_width=round(width * mlp_ratio),
            class_token=class_token,
            grid=None if grid is None else tuple(grid),
            remat=remat,
            scan=False,
            attention=attention,
            dtype=compute_dtype(dtype),
            **options,
        )

    module = LocalMIMDecoder(
        make=make,
        widths=widths,
        scales=tuple(scales),
        dims=_per_tap("dim", dim, len(scales)),
        output=output if isinstance(output, str) else tuple(output),
    )
    return from_linen(module)


def deep_mim_decoder(
    *,
    taps: int = 4,
    dim: int = 512,
    width: int = 512,
    depth: int = 4,
    heads: int = 16,
    mlp_ratio: float | int = 4,
    class_token: bool = True,
    grid: Sequence[int] | None = None,
    output: str = "pixels",
    remat: bool = False,
    scan: bool = False,
    attention: str | None = None,
    dtype: str | None = None,
) -> Net:
    """DeepMIM's decoders: an independent decoder of MAE's kind for each tap.

    The taps are the encoder's outputs after some blocks (6, 8 and 10 of 12 in the
    paper, raw) and at its end, through the final norm.

    Args:
      taps: the number of taps.
      dim: length of a prediction: the teacher's features, or p*p*3 for pixels.
      width: channels of each decoder.
      depth: blocks of each decoder.
      heads: attention heads.
      mlp_ratio: width of the MLP over `width`.
      class_token: whether the latents begin with a class token.
      grid: rows and columns of patches; None is a square.
      output: as in `mae_decoder`, one name.
      remat: compute blocks again in the backward pass.
      scan: trace one block and stack the parameters.
      attention: implementation of attention, as in `vit`.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of `(latents, restore int32 [b n])`, latents a list of `[b 1+k d]`, with a
      list of predictions `[b n dim]`, at least float32.

    Raises:
      ValueError: heads that do not divide the width; and, when it is called, latents
        of another number.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = deep_mim_decoder(taps=2, dim=5, width=16, depth=1, heads=2)
      >>> taps, restore = [jnp.zeros((1, 3, 8))] * 2, jnp.array([[1, 0, 2, 3]])
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), taps, restore)
      >>> outs, _ = jax.eval_shape(net.apply, params, stats, taps, restore)
      >>> [out.shape for out in outs]
      [(1, 4, 5), (1, 4, 5)]

    References:
      Ren et al., "DeepMIM: Deep Supervision for Masked Image Modeling", 2023,
      arXiv:2303.08817, section 3.
    """
    check_heads(width, heads)
    make = partial(
        Decoder,
        width=width,
        depth=depth,
        heads=heads,
        mlp_width=round(width * mlp_ratio),
        dim=dim,
        class_token=class_token,
        grid=None if grid is None else tuple(grid),
        output=output,
        remat=remat,
        scan=scan,
        attention=attention,
        dtype=compute_dtype(dtype),
    )
    return from_linen(DeepMIMDecoder(make=make, taps=taps))
