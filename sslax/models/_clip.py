"""The transformers of CLIP, for text and for images."""

from __future__ import annotations

from collections.abc import Sequence

from sslax.core import Net
from sslax.models._clip_towers import ImageTower, TextTower, clip_manner
from sslax.models._mask_decoder import check_heads
from sslax.models._nets import compute_dtype, from_linen

__all__ = ["clip_text", "clip_vit"]


def clip_text(
    *,
    dim: int = 512,
    words: int = 49408,
    context: int = 77,
    width: int = 512,
    depth: int = 12,
    heads: int = 8,
    activation: str = "quick_gelu",
    output: str | Sequence[str] = "pooled",
    remat: bool = False,
    scan: bool = False,
    attention: str = "auto",
    dtype: str | None = None,
) -> Net:
    """CLIP's text transformer: causal blocks, read at the end token.

    Pre-norm blocks, LayerNorm with epsilon 1e-5, learned
    positions. The text's feature is the normed token at the end token's place (the
    largest number of the text), through a linear layer without bias.

    Args:
      dim: dimension of the space shared with images.
      words: size of the vocabulary; the end token is the last word.
      context: the largest number of tokens of a text.
      width: channels.
      depth: blocks.
      heads: attention heads.
      activation: of the MLPs: "quick_gelu", x sigmoid(1.702 x), as OpenAI has it, or
        "gelu", as OpenCLIP's models whose names do not end in "-quickgelu".
      output: "pooled" [b dim], "tokens" [b n width] (after the norm), "block0", ...,
        "attention0", ... [b heads n n]; several names give a dict.
      remat: compute blocks again in the backward pass.
      scan: trace one block and stack the parameters.
      attention: implementation of attention, as in `vit`.
      dtype: dtype of computation; None follows the parameters.

    Returns:
      A net of texts, int32 `[b n]`, n up to `context`, padded with 0 after the end.

    Raises:
      ValueError: heads that do not divide the width, or an unknown activation; and,
        when it is called, texts longer than the context.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = clip_text(dim=4, words=10, context=6, width=8, depth=1, heads=2)
      >>> texts = jnp.array([[8, 3, 9, 0], [8, 2, 5, 9]])
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), texts)
      >>> jax.eval_shape(net.apply, params, stats, texts)[0].shape
      (2, 4)

    References:
      Radford et al., "Learning Transferable Visual Models From Natural Language
      Supervision", 2021, arXiv:2103.00020, section 2.4.
    """
    check_heads(width, heads)
    module = TextTower(
        manner=clip_manner(width, depth, activation),
        causal=True,
        dim=dim,
        words=words,
        context=context,
        width=width,
        depth=depth,
        heads=heads,
        output=output if isinstance(output, str) else tuple(output),
        remat=remat,
        scan=scan,
        attention=attention,
        dtype=compute_dtype(dtype),
    )
    return from_linen(module)


def clip_vit(
    *,
    dim: int = 512,
    width: int = 768,
    depth: int = 12,
    heads: int = 12,
    patch_size: int = 16,
    activation: str = "quick_gelu",
    output: str | Sequence[str] = "pooled",
    remat: bool = False,
    scan: bool = False,
    attention: str = "auto",
    dtype: str | None = None,
) -> Net:
    """CLIP's vision transformer, with its projection to the space shared with texts.

    It differs from `vit` in a norm before the blocks, the activation, LayerNorm with
    epsilon 1e-5 and a patch projection without bias.

    Args:
      dim: dimension of the shared space.
      width: channels.
      depth: blocks.
      heads: attention heads.
      patch_size: side of a patch in pixels.
      activation: of the MLPs, as in `clip_text`; both towers have one.
      output: "pooled" [b dim] (the class token), "unprojected" [b width] (the same
        before its projection, which linear probes read), "tokens" [b 1+n dim] (every
        token normed and projected: what DeepMIM's teacher gives), "map" [b h w dim] and
        "attention" [b heads h w] as in `vit`, "block0", ..., "attention0", ...; several
        names give a dict.
      remat: compute blocks again in the backward pass.
      scan: trace one block and stack the parameters.
      attention: implementation of attention, as in `vit`.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images `[b h w c]`; positions are resized for other grids.

    Raises:
      ValueError: heads that do not divide the width, or an unknown activation; and,
        when it is called, an image that the patch size does not divide.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = clip_vit(dim=4, width=8, depth=1, heads=2, patch_size=4)
      >>> image = jnp.zeros((2, 8, 8, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> jax.eval_shape(net.apply, params, stats, image)[0].shape
      (2, 4)

    References:
      Radford et al., "Learning Transferable Visual Models From Natural Language
      Supervision", 2021, arXiv:2103.00020, section 2.4.
    """
    check_heads(width, heads)
    module = ImageTower(
        manner=clip_manner(width, depth, activation),
        dim=dim,
        patch_size=patch_size,
        width=width,
        depth=depth,
        heads=heads,
        output=output if isinstance(output, str) else tuple(output),
        remat=remat,
        scan=scan,
        attention=attention,
        dtype=compute_dtype(dtype),
    )
    return from_linen(module)
