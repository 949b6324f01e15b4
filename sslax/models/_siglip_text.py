"""SigLIP's transformer of texts; its images pass a ViT with a probe."""

from __future__ import annotations

from collections.abc import Sequence

from sslax.core import Net
from sslax.models._clip_towers import TextTower, siglip_manner
from sslax.models._mask_decoder import check_heads
from sslax.models._nets import compute_dtype, from_linen

__all__ = ["siglip_text"]


def siglip_text(
    *,
    dim: int = 768,
    words: int = 32_000,
    context: int = 64,
    width: int = 768,
    depth: int = 12,
    heads: int = 12,
    output: str | Sequence[str] = "pooled",
    remat: bool = False,
    scan: bool = False,
    attention: str = "auto",
    dtype: str | None = None,
) -> Net:
    """SigLIP's text transformer: every word sees all, and the last token is read.

    Pre-norm blocks with GELU approximated by tanh, LayerNorm with epsilon 1e-6, learned
    positions. The text's feature is the normed last token, through a linear layer with
    bias. Nothing hides the padding, so texts must be padded to one length. The tower of
    images is `vit_base(pool="map", class_token=False, activation="gelu_tanh",
    init="big_vision")`, which ends in the shared space without a projection.

    Args:
      dim: dimension of the space shared with images: the width of their tower.
      words: size of the vocabulary.
      context: the largest number of tokens of a text.
      width: channels.
      depth: blocks.
      heads: attention heads.
      output: "pooled" [b dim], "tokens" [b n width] (after the norm), "block0", ...,
        "attention0", ... [b heads n n]; several names give a dict.
      remat: compute blocks again in the backward pass.
      scan: trace one block and stack the parameters.
      attention: implementation of attention, as in `vit`.
      dtype: dtype of computation; None follows the parameters.

    Returns:
      A net of texts, int32 `[b n]`, n up to `context`.

    Raises:
      ValueError: heads that do not divide the width; and, when it is called, texts
        longer than the context.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = siglip_text(dim=4, words=10, context=6, width=8, depth=1, heads=2)
      >>> texts = jnp.array([[3, 9, 1, 1], [2, 5, 9, 1]])
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), texts)
      >>> jax.eval_shape(net.apply, params, stats, texts)[0].shape
      (2, 4)

    References:
      Zhai et al., "Sigmoid Loss for Language Image Pre-Training", 2023,
      arXiv:2303.15343; sizes and layers as its released code, big_vision, has them.

    Note:
      The biases of the MLPs start at zero; the released code draws them with a
      deviation of 1e-6. open_clip and timm compute size B with the exact GELU.
    """
    check_heads(width, heads)
    module = TextTower(
        manner=siglip_manner(width),
        causal=False,
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
