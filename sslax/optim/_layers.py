"""Rates that fall from the last layer to the first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sslax.optim._parameters import STACKED, finder, walk

__all__ = ["layer_decay", "layer_ids"]

_EMBEDDING = re.compile(
    r"(^|/)(cls_token|pos_embed|mask_token|patch_embed\d*|patch_norm\d*)(/|$)"
)
_BLOCK = re.compile(r"(^|/)blocks_(\d+)/")
_STAGE = re.compile(r"(^|/)layer(\d+)_(\d+)/")
_MERGE = re.compile(r"(^|/)merge(\d+)/")


def layer_ids(params: Any, *, stacked: Sequence[str] = STACKED) -> Any:
    """The number of the layer of each parameter of a vision transformer.

    0 are the embeddings (class and mask token, positions, patches), i + 1 is block i,
    and the last is all else: norms, heads, relative positions that blocks share. A
    Swin's merging belongs to the block before it; of ConvMAE, the two convolutional
    stages are 0.

    Args:
      params: a tree with the parameters of `vit`, `swin` or `convmae`, and of heads.
      stacked: paths whose first axis counts blocks, see `included`.

    Returns:
      A tree of int; of int `[blocks]` where blocks are stacked.

    Raises:
      ValueError: if there are no patches or no blocks.

    Example:
      >>> import jax.numpy as jnp
      >>> encoder = {"patch_embed": {"kernel": jnp.ones((1, 1, 3, 8))},
      ...            "blocks_0": {"fc1": jnp.ones((8, 8))}, "norm": jnp.ones(8)}
      >>> layer_ids(encoder)
      {'blocks_0': {'fc1': 1}, 'norm': 2, 'patch_embed': {'kernel': 0}}

    References:
      Bao et al., BEiT: BERT Pre-Training of Image Transformers, 2022, arXiv:2106.08254,
      appendix. He et al., Masked Autoencoders Are Scalable Vision Learners, 2022,
      arXiv:2111.06377, appendix A.1.

    Note:
      MAE's code counts the mask token, which it does not fine-tune, with the last.
    """
    number, depth = _numbering(params, finder(stacked))

    def identify(path, leaf):
        if _EMBEDDING.search(path):
            return 0
        found = number(path)
        return depth + 1 if found is None else found

    return walk(identify, params)


def _numbering(params, is_stacked):
    """(path -> the layer of a block's parameter or None, the number of blocks)."""
    shapes: dict[str, Any] = {}
    walk(lambda path, leaf: shapes.update({path: leaf}), params)
    stages = {tuple(map(int, m.groups()[1:])) for m in map(_STAGE.search, shapes) if m}
    blocks = {int(m[2]) for m in map(_BLOCK.search, shapes) if m}
    scanned = [x.shape[0] for p, x in shapes.items() if is_stacked(p) and x is not None]
    depth = scanned[0] if scanned else len(blocks) or len(stages)
    if depth == 0 or not any("patch_embed" in path for path in shapes):
        raise ValueError(
            "layers are numbered in parameters of vit, swin or convmae, with "
            f"patch_embed and blocks; these are {', '.join(list(shapes)[:8])}"
        )
    order = {stage: i + 1 for i, stage in enumerate(sorted(stages))}
    ends = {i: max(order[s] for s in stages if s[0] == i) for i, _ in stages}

    def number(path):
        if is_stacked(path):
            return np.arange(1, depth + 1)
        if found := _BLOCK.search(path):
            return int(found[2]) + 1
        if found := _STAGE.search(path):
            before = bool(blocks or scanned)  # the convolutions of ConvMAE
            return 0 if before else order[int(found[2]), int(found[3])]
        if (found := _MERGE.search(path)) and int(found[2]) in ends:
            return ends[int(found[2])]
        return None

    return number, depth


def layer_decay(
    optimizer: optax.GradientTransformation,
    *,
    decay: float,
    stacked: Sequence[str] = STACKED,
) -> optax.GradientTransformation:
    """Multiplies the rate of each layer by decay^(last - layer), for fine-tuning.

    Args:
      optimizer: what makes the update, decay of weights included.
      decay: 0.65 (ViT-B of MAE and BEiT), 0.75 (ViT-L).
      stacked: paths whose first axis counts blocks, see `included`.

    Returns:
      An optax transformation for the parameters that `layer_ids` describes.

    Raises:
      ValueError: at the first update, if there are no patches or no blocks; and if
        `decay` is not in (0, 1].

    Example:
      >>> from sslax import optim
      >>> tx = optim.adamw(learning_rate=2e-3, weight_decay=0.05)
      >>> tx = layer_decay(tx, decay=0.65)

    References:
      Clark et al., ELECTRA, 2020, arXiv:2003.10555. Bao et al., BEiT: BERT Pre-Training
      of Image Transformers, 2022, arXiv:2106.08254.
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay must be in (0, 1]; got {decay}")

    def scale(updates, params):
        del params
        _, depth = _numbering(updates, finder(stacked))
        numbers = layer_ids(updates, stacked=stacked)

        def one(update, number):
            factor = jnp.asarray(decay ** (depth + 1.0 - number), update.dtype)
            return update * factor.reshape(
                factor.shape + (1,) * (update.ndim - factor.ndim)
            )

        return jax.tree.map(one, updates, numbers)

    return optax.chain(optimizer, optax.stateless(scale))
