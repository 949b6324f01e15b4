"""Decoders of several taps of an encoder: LocalMIM's and DeepMIM's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sslax.checks import check_choice
from sslax.core import Net
from sslax.models._mae import Decoder
from sslax.models._mask_decoder import check_heads
from sslax.models._nets import compute_dtype, from_linen
from sslax.models._taps import (
    SCALES,
    DeepMIMDecoder,
    LocalMIMDecoder,
    ScaleDecoder,
    per_tap,
)

__all__ = ["deep_mim_decoder", "local_mim_decoder"]


def local_mim_decoder(
    *,
    scales: Sequence[float | int] = SCALES,
    dim: int | Sequence[int] = 27,
    width: int | Sequence[int] = 256,
    depth: int = 1,
    heads: int = 8,
    mlp_ratio: float | int = 4,
    class_token: bool = True,
    grid: Sequence[int] | None = None,
    output: str | Sequence[str] = "maps",
    remat: bool = False,
    attention: str = "auto",
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
        check_choice(SCALES, scale=scale)
    widths = per_tap("width", width, len(scales))
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
        dims=per_tap("dim", dim, len(scales)),
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
    attention: str = "auto",
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
