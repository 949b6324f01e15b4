"""Swin transformers by size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sslax.checks import check_choice
from sslax.core import Net
from sslax.models._attention import FORMS
from sslax.models._nets import compute_dtype, from_linen, named
from sslax.models._swin_transformer import Swin

__all__ = ["swin", "swin_base", "swin_large", "swin_small", "swin_tiny"]

# Width, depths, heads.
SIZES = {
    "tiny": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "small": (96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "base": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
    "large": (192, (2, 2, 18, 2), (6, 12, 24, 48)),
}


def swin(
    *,
    size: str = "tiny",
    width: int | None = None,
    depths: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    window_size: int = 7,
    patch_size: int = 4,
    mlp_ratio: float | int = 4,
    masked: str | None = None,
    qkv_bias: bool = True,
    norm_eps: float | int = 1e-5,
    drop_path: float | int = 0.0,
    image_size: int | None = None,
    output: str | Sequence[str] = "pooled",
    remat: bool = False,
    attention: str = "auto",
    dtype: str | None = None,
) -> Net:
    """A Swin transformer: attention in windows that shift, a pyramid of four stages.

    Pre-norm blocks, fused q, k, v, exact GELU, LayerNorm, one table of relative
    positions per block (which SimMIM's code decays). A stage whose grid is not larger
    than the window has one window and no shift. Inputs are `(images, keep=None,
    mask=None)` as in `vit`; `keep` must be None, `mask` is `[b n]` or `[b h w]` on the
    grid of patches.

    Args:
      size: "tiny", "small", "base" or "large".
      width: channels of the first stage (each next has twice as many), in place of
        the size's.
      depths: blocks of the stages, in place of the size's.
      heads: attention heads of the stages, in place of the size's.
      window_size: side of a window in patches: 7 for 224 pixels, 6 for 192.
      patch_size: side of a patch in pixels.
      mlp_ratio: width of the MLP over that of the stage.
      masked: what `mask` does: "token" puts a learned token in the place of masked
        patches, after the patch norm (SimMIM); "hidden" lets no patch attend to
        masked ones (LocalMIM, where whole patches of the last stage are masked: what
        the others become is as if they were alone); None takes no mask.
      qkv_bias: whether q, k, v have biases.
      norm_eps: epsilon of LayerNorm; 1e-6 in LocalMIM.
      drop_path: rate of the last block, growing linearly from 0; no key, no drops.
      image_size: side of the images that the windows are made for, where crops of other
        sizes come too (iBOT): these have the same windows and shifts, and zeros where
        their grid ends. None: windows are made for each size, and must divide its grid.
      output: "pooled" [b d] (mean of the map), "map" [b h w d] and "tokens" [b h*w d]
        (after the final norm), "patch_embed", "block0", ... (counted over all stages),
        "stage1", ... (maps after the blocks of a stage), "merged1", ... (the same
        after merging: what the next stage is given), "attention0", ...
        [b windows heads n n], windows and patches in raster order after the shift,
        "attention" [b heads h w] (the mean that each place of the last block receives);
        several names give a dict.
      remat: compute blocks again in the backward pass to save memory.
      attention: as in `vit`; the plain form serves, since relative positions are added
        to the logits.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images `[b h w c]`.

    Raises:
      ValueError: an unknown name; depths and heads that differ in length; heads that
        do not divide the width; and, when it is called, an image whose patches
        merging or windows do not divide.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = swin(width=8, depths=(2, 2), heads=(1, 2), window_size=4)
      >>> image = jnp.zeros((2, 32, 32, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> jax.eval_shape(net.apply, params, stats, image)[0].shape
      (2, 16)

    References:
      Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted
      Windows", 2021, arXiv:2103.14030. Xie et al., "SimMIM: A Simple Framework for
      Masked Image Modeling", 2022, arXiv:2111.09886. Wang et al., "Masked Image
      Modeling with Local Multi-Scale Reconstruction", 2023, arXiv:2303.05251.

    Note:
      Windows that do not divide the grid are an error without `image_size`. The zeros
      that fill them with it are seen by attention, as in the codes that do so.
    """
    check_choice(SIZES, size=size)
    check_choice(FORMS, attention=attention)
    check_choice((None, "token", "hidden"), masked=masked)
    width, depths, heads = (
        default if given is None else given
        for given, default in zip((width, depths, heads), SIZES[size], strict=True)
    )
    if len(depths) != len(heads):
        raise ValueError(
            f"depths {tuple(depths)} and heads {tuple(heads)} differ in length"
        )
    for i, count in enumerate(heads):
        if width * 2**i % count:
            raise ValueError(
                f"{count} heads do not divide the width {width * 2**i} of stage {i + 1}"
            )
    module = Swin(
        width=width,
        depths=tuple(depths),
        heads=tuple(heads),
        window_size=window_size,
        patch_size=patch_size,
        mlp_ratio=mlp_ratio,
        masked=masked,
        qkv_bias=qkv_bias,
        norm_eps=norm_eps,
        drop_path=drop_path,
        image_size=image_size,
        output=output if isinstance(output, str) else tuple(output),
        remat=remat,
        attention=attention,
        dtype=compute_dtype(dtype),
    )
    return from_linen(module)


def _sized(size: str) -> Callable[..., Net]:
    def build(**options: Any) -> Net:
        return swin(size=size, **options)

    build.__name__ = build.__qualname__ = f"swin_{size}"
    build.__doc__ = f"""Swin of size {size!r}: `swin(size={size!r}, ...)`.

    Returns:
      A net of images `[b h w c]`.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = swin_{size}(depths=(1, 1, 1, 1))
      >>> image = jnp.zeros((1, 224, 224, 3))
      >>> shapes = jax.eval_shape(net.init, jax.random.key(0), image)

    References:
      Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted
      Windows", 2021, arXiv:2103.14030, section 3.3.
    """
    return build


swin_tiny = named(_sized("tiny"), swin, size="tiny")
swin_small = named(_sized("small"), swin, size="small")
swin_base = named(_sized("base"), swin, size="base")
swin_large = named(_sized("large"), swin, size="large")
