"""Attention by JAX's splash kernel for TPU, for sequences of any length."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.pallas.ops.tpu import splash_attention as splash
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32

__all__ = ["flash"]

LANES = 128
_TILE = 1024  # logits of a tile, in float32, beside their gradients in a core's memory
_KEYS = 4096  # keys of a head that stay in a core's memory while queries pass


def flash(
    q: Float[Array, "b n h d"],
    k: Float[Array, "b n h d"],
    v: Float[Array, "b n h d"],
    *,
    interpret: bool = False,
) -> Float[Array, "b n h d"]:
    """Attention whose weights never leave a core, forwards or backwards.

    Tokens are padded to whole lanes. Padding is a segment of its own: nothing looks at
    it, and it looks at itself, so that its rows are finite.

    Args:
      q: queries, bfloat16 or float32.
      k: keys.
      v: values.
      interpret: run the kernel step by step on any platform, for tests.

    Returns:
      The weighted values.

    References:
      Dao, "FlashAttention-2: Faster Attention with Better Parallelism and Work
      Partitioning", 2023, arXiv:2307.08691.
    """
    n, h, d = q.shape[1:]
    padded = _padded(n)
    kernel = _kernel(h, padded, interpret)
    own = (jnp.arange(padded) >= n).astype(jnp.int32)
    ids = None if n == padded else splash.SegmentIds(own, own)
    q = (at_least_float32(q) / float(np.sqrt(d))).astype(q.dtype)

    def ready(x):
        return jnp.pad(
            x.transpose(0, 2, 1, 3), ((0, 0), (0, 0), (0, padded - n), (0, 0))
        )

    out = jax.vmap(lambda q, k, v: kernel(q, k, v, segment_ids=ids))(
        ready(q), ready(k), ready(v)
    )
    return out[:, :, :n].transpose(0, 2, 1, 3)


def _kernel(heads: int, length: int, interpret: bool):
    """The kernel of one image; with all keys in one block, nothing is read twice."""
    tile, keys = _block(length, _TILE), _block(length, _KEYS)
    # Heads are narrower than a lane: with tokens along the lanes none is half empty.
    rows = splash.QKVLayout.SEQ_MINOR
    sizes = splash.BlockSizes(
        block_q=tile,
        block_kv=keys,
        block_kv_compute=tile,
        block_q_dkv=tile,
        block_kv_dkv=keys,
        block_kv_dkv_compute=tile,
        use_fused_bwd_kernel=True,
        q_layout=rows,
        k_layout=rows,
        v_layout=rows,
    )
    mask = splash.MultiHeadMask([splash.FullMask((length, length))] * heads)
    return splash.make_splash_mha_single_device(
        mask, block_sizes=sizes, interpret=interpret
    )


def _padded(n: int) -> int:
    """Whole lanes; of long sequences two at a time, so that large tiles divide them."""
    step = LANES if n <= _TILE else 2 * LANES
    return -(-n // step) * step


def _block(length: int, most: int) -> int:
    """The largest number of whole lanes up to `most` that divides a padded length."""
    return max(n for n in range(LANES, min(length, most) + 1, LANES) if length % n == 0)
