"""Vision transformers by size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sslax.checks import check_choice
from sslax.core import Net
from sslax.models._attention import FORMS
from sslax.models._nets import compute_dtype, from_linen, named
from sslax.models._transformer import ACTIVATIONS, INITS
from sslax.models._vision_transformer import POOLS, POSITIONS, ViT

__all__ = [
    "vit",
    "vit_base",
    "vit_giant",
    "vit_huge",
    "vit_large",
    "vit_small",
    "vit_tiny",
]

# Width, depth, heads, MLP width over width.
SIZES = {
    "tiny": (192, 12, 3, 4),
    "small": (384, 12, 6, 4),
    "base": (768, 12, 12, 4),
    "large": (1024, 24, 16, 4),
    "huge": (1280, 32, 16, 4),
    "giant": (1408, 40, 16, 48 / 11),
}


def _dimensions(size, width=None, depth=None, heads=None, mlp_ratio=None):
    """The numbers of a named size, with what is given instead."""
    check_choice(SIZES, size=size)
    given = (width, depth, heads, mlp_ratio)
    numbers = [
        default if value is None else value
        for value, default in zip(given, SIZES[size], strict=True)
    ]
    width, depth, heads, mlp_ratio = numbers
    if width % heads:
        raise ValueError(
            f"{heads} heads do not divide the width {width}; the nearest widths are "
            f"{width // heads * heads} and {-(-width // heads) * heads}"
        )
    return {
        "width": width,
        "depth": depth,
        "heads": heads,
        "mlp_width": round(width * mlp_ratio),
    }


def vit(
    *,
    size: str = "base",
    width: int | None = None,
    depth: int | None = None,
    heads: int | None = None,
    mlp_ratio: float | int | None = None,
    patch_size: int = 16,
    class_token: bool = True,
    pool: str = "cls",
    positions: str = "learned",
    resize: str = "size",
    relative: str | None = None,
    mask_token: bool = False,
    qkv_bias: bool | str = True,
    activation: str = "gelu",
    layer_scale: float | int | None = None,
    drop_path: float | int = 0.0,
    freeze_patches: bool = False,
    init: str = "truncated",
    output: str | Sequence[str] = "pooled",
    remat: bool = False,
    scan: bool = False,
    attention: str = "auto",
    dtype: str | None = None,
) -> Net:
    """A vision transformer for images `[b h w c]` of any size that patches divide.

    Pre-norm blocks, fused q, k, v, GELU, LayerNorm with epsilon 1e-6. Inputs are
    `(images, keep=None, mask=None)`: `keep` int32 [b k] are the patches to look at,
    `mask` [b n] or [b h w] says where a mask token takes the place of a patch.

    Args:
      size: "tiny", "small", "base", "large", "huge" or "giant".
      width: channels, in place of the size's.
      depth: blocks, in place of the size's.
      heads: attention heads, in place of the size's.
      mlp_ratio: width of the MLP over `width`, in place of the size's.
      patch_size: side of a patch in pixels.
      class_token: prepend a learned token.
      pool: "cls" (final norm, then the class token), "mean" (mean of the patch tokens,
        then a norm of its own) or "map" (final norm, then one learned probe that looks
        at all tokens with as many heads, and an MLP: SigLIP).
      positions: "learned", "sincos" (fixed, MAE's order), "sincos_row" (MoCo v3's),
        "sincos_learned" (learned, and "sincos" at the start: MAE's fine-tuning) or
        "none".
      resize: how learned positions are resized for another image size; see
        `resize_positions`.
      relative: learned bias of attention by the offset of two patches: None, "block"
        (a table for every block) or "shared" (one table); for another image size see
        `resize_relative_positions`.
      mask_token: a learned token for masked patches, put in before the positions.
      qkv_bias: whether q, k, v have biases; "qv" leaves the keys without (BEiT).
      activation: of the MLPs: "gelu" (exact), "gelu_tanh" (its approximation, with
        which big_vision trains) or "quick_gelu" (OpenAI's).
      layer_scale: start value of a scale per channel and branch; None has none.
      drop_path: rate of the last block, growing linearly from 0; no key, no drops.
      freeze_patches: no gradient reaches the patch projection (MoCo v3).
      init: "truncated" (normal 0.02), "xavier" (MAE), "xavier_qkv" (MoCo v3: q, k, v
        as three matrices), "beit" (BEiT, SimMIM: normal 0.02 cut at one deviation; the
        last matrices of the branches of block i, from 1, over sqrt(2i)) or "big_vision"
        (SigLIP: blocks as MoCo v3, patches by LeCun's rule, positions normal
        width**-0.5).
      output: "pooled" [b d], "tokens" [b (1+)n d] (before the final norm with pool
        "mean", else after it), "map" [b h w d] (the patches of "tokens" on their grid),
        "attention" [b heads h w] (of the probe, or of the class token in the last
        block, or without both the mean over the patches), "patch_embed", "embedded",
        "block0", ..., "normed0", ... (through the final norm), "attention0", ...
        [b heads n n]; several names give a dict, the first of them the main output.
        With `keep` there is no grid: no "map" and no "attention".
      remat: compute blocks again in the backward pass to save memory.
      scan: trace one block and stack the parameters; compiles faster, needs more
        memory unless with `remat`; optimizers that look at layers see one.
      attention: "auto" takes the fastest form for the platform: cuDNN's kernel in 16
        bits on GPUs, a flash kernel for long sequences on TPUs, else the plain one;
        "xla" (plain), "cudnn" or "flash" force a form.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images.

    Raises:
      ValueError: an unknown name, heads that do not divide the width, and, when it is
        called, an image that the patch size does not divide.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = vit(width=24, depth=2, heads=3, patch_size=4)
      >>> image = jnp.zeros((2, 8, 8, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> jax.eval_shape(net.apply, params, stats, image)[0].shape
      (2, 24)

    References:
      Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, arXiv:2010.11929.
      Zhai et al., "Scaling Vision Transformers", 2022, arXiv:2106.04560 (giant; pooling
      by a probe, section 3.2).
      Bao et al., "BEiT: BERT Pre-Training of Image Transformers", 2022,
      arXiv:2106.08254 (relative positions, mask token, layer scale).

    Note:
      MoCo v3's ViT-S has 12 heads: `vit_small(heads=12)`. big_vision starts the biases
      of MLPs with a deviation of 1e-6, zero here.
    """
    check_choice(POOLS, pool=pool)
    check_choice(POSITIONS, positions=positions)
    check_choice((None, "block", "shared"), relative=relative)
    check_choice((True, False, "qv"), qkv_bias=qkv_bias)
    check_choice(ACTIVATIONS, activation=activation)
    check_choice(("size", "factor"), resize=resize)
    check_choice(INITS, init=init)
    check_choice(FORMS, attention=attention)
    if pool == "cls" and not class_token:
        raise ValueError(
            "pool is 'cls' without a class token; use pool='mean' or 'map'"
        )
    module = ViT(
        **_dimensions(size, width, depth, heads, mlp_ratio),
        patch_size=patch_size,
        class_token=class_token,
        pool=pool,
        positions=positions,
        resize=resize,
        relative=relative,
        mask_token=mask_token,
        qkv_bias=qkv_bias,
        activation=activation,
        layer_scale=layer_scale,
        drop_path=drop_path,
        freeze_patches=freeze_patches,
        kernel_init=init,
        output=output if isinstance(output, str) else tuple(output),
        remat=remat,
        scan=scan,
        attention=attention,
        dtype=compute_dtype(dtype),
    )
    return from_linen(module)


def _sized(size: str) -> Callable[..., Net]:
    def build(**options: Any) -> Net:
        return vit(size=size, **options)

    build.__name__ = build.__qualname__ = f"vit_{size}"
    build.__doc__ = f"""ViT of size {size!r}: `vit(size={size!r}, ...)`.

    Returns:
      A net of images `[b h w c]`.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = vit_{size}(patch_size=4, depth=1)
      >>> shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))

    References:
      Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, arXiv:2010.11929,
      table 1. Touvron et al., "Training data-efficient image transformers", 2021,
      arXiv:2012.12877 (tiny, small). Zhai et al., "Scaling Vision Transformers", 2022,
      arXiv:2106.04560 (giant).
    """
    return build


vit_tiny = named(_sized("tiny"), vit, size="tiny")
vit_small = named(_sized("small"), vit, size="small")
vit_base = named(_sized("base"), vit, size="base")
vit_large = named(_sized("large"), vit, size="large")
vit_huge = named(_sized("huge"), vit, size="huge")
vit_giant = named(_sized("giant"), vit, size="giant")
