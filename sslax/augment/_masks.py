"""Which patches to hide: random masks, with exact counts."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray


class RandomMask(NamedTuple):
    """A random mask: which patches stay, how to undo the shuffle, and the mask.

    Attributes:
      keep: int32 `[b k]`, the patches that stay, shuffled.
      restore: int32 `[b n]`, the place of each patch in the shuffled order.
      mask: float32 `[b n]`, 1 where a patch is removed.
    """

    keep: Int[Array, "b k"]
    restore: Int[Array, "b n"]
    mask: Float[Array, "b n"]


def check_ratio(ratio: float) -> None:
    """Raises if a mask ratio is outside [0, 1)."""
    if not 0.0 <= ratio < 1.0:
        raise ValueError(f"mask ratio must be in [0, 1), got {ratio}")


def mask_from_noise(noise: Float[Array, "b n"], *, ratio: float = 0.75) -> RandomMask:
    """The random mask of MAE, given its noise: patches of least noise stay.

    Args:
      noise: `[b n]`, one number per patch.
      ratio: the part that is removed; `int(n * (1 - ratio))` patches stay.

    Returns:
      `keep` [b k], `restore` [b n] and `mask` [b n].

    Raises:
      ValueError: for noise that is not `[b n]` or a ratio outside [0, 1).

    Example:
      >>> import jax.numpy as jnp
      >>> mask_from_noise(jnp.array([[0.3, 0.1, 0.2, 0.4]]), ratio=0.5).keep.tolist()
      [[1, 2]]

    Note:
      The count is the integer part of a floating point product, as in the released
      code: of 10 patches at ratio 0.9, none stays.

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, section 3.
    """
    check_ratio(ratio)
    if noise.ndim != 2:
        raise ValueError(f"expected noise [b n], got shape {tuple(noise.shape)}")
    count = noise.shape[1]
    kept = int(count * (1 - ratio))
    order = jnp.argsort(noise, axis=1).astype(jnp.int32)
    restore = jnp.argsort(order, axis=1).astype(jnp.int32)
    mask = (restore >= kept).astype(jnp.float32)
    return RandomMask(order[:, :kept], restore, mask)


def random_mask(
    key: PRNGKeyArray, *, batch: int, patches: int, ratio: float = 0.75
) -> RandomMask:
    """Removes a fixed number of patches at random from each image.

    Args:
      key: a random key.
      batch: the number of images.
      patches: the number of patches of an image.
      ratio: the part that is removed; `int(patches * (1 - ratio))` stay.

    Returns:
      `keep` int32 [b k], `restore` int32 [b n] and `mask` float32 [b n] (1 = removed).

    Raises:
      ValueError: for a ratio outside [0, 1).

    Example:
      >>> import jax
      >>> random_mask(jax.random.key(0), batch=2, patches=196).keep.shape
      (2, 49)

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, section 3.
    """
    return mask_from_noise(jax.random.uniform(key, (batch, patches)), ratio=ratio)
