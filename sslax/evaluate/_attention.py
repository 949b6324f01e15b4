"""How attention maps look: distance, entropy, diversity of heads, information."""

from __future__ import annotations

import jax.numpy as jnp
from jax.scipy.special import xlogy
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.checks import check_positive
from sslax.evaluate._checks import Features


def _patches(attention, class_tokens, renormalize):
    """Attention between patches; class rows and columns are dropped."""
    if attention.ndim != 4 or attention.shape[2] != attention.shape[3]:
        raise ValueError(
            "attention must be [b heads n n], queries before keys, got shape "
            f"{tuple(attention.shape)}"
        )
    if not 0 <= class_tokens < attention.shape[2]:
        raise ValueError(
            f"class_tokens={class_tokens} of {attention.shape[2]} tokens leaves none"
        )
    kept = at_least_float32(attention)[:, :, class_tokens:, class_tokens:]
    if not renormalize:
        return kept
    total = kept.sum(axis=-1, keepdims=True)
    # A query that looks at the class token alone has no opinion on patches.
    spread = jnp.full_like(kept, 1.0 / kept.shape[-1])
    return jnp.where(total > 0, kept / jnp.where(total > 0, total, 1.0), spread)


def patch_distances(*, grid: tuple[int, int], patch_size: float) -> Float[Array, "n n"]:
    """Euclidean distances in pixels between the centres of patches in raster order.

    Args:
      grid: rows and columns of patches.
      patch_size: side of a patch in pixels.

    Returns:
      [n n] with n = rows * columns.

    Raises:
      ValueError: if a side is not above zero.

    Example:
      >>> patch_distances(grid=(1, 2), patch_size=16.0).tolist()
      [[0.0, 16.0], [16.0, 0.0]]
    """
    rows, columns = grid
    check_positive(rows=rows, columns=columns, patch_size=patch_size)
    index = jnp.arange(rows * columns)
    down, right = index // columns, index % columns
    square = jnp.square(down[:, None] - down[None, :]) + jnp.square(
        right[:, None] - right[None, :]
    )
    return patch_size * jnp.sqrt(square.astype(jnp.float32))


def attention_distance(
    attention: Features,
    *,
    grid: tuple[int, int],
    patch_size: float,
    class_tokens: int = 1,
    renormalize: bool = True,
) -> Float[Array, "b heads"]:
    """How far heads look: the mean distance of keys, weighted by attention, in pixels.

    Args:
      attention: after softmax, [b heads n n], class tokens first.
      grid: rows and columns of patches.
      patch_size: side of a patch in pixels.
      class_tokens: tokens before the patches; they are dropped.
      renormalize: make the rows of the remaining keys sum to one.

    Returns:
      Pixels for every image and head.

    Raises:
      ValueError: if shapes do not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> even = jnp.full((1, 1, 3, 3), 1 / 3)
      >>> attention_distance(even, grid=(1, 2), patch_size=16.0).tolist()
      [[8.0]]

    References:
      Dosovitskiy et al., An Image is Worth 16x16 Words, 2021, arXiv:2010.11929, figure
      7; Xie et al., Revealing the Dark Secrets of Masked Image Modeling, 2022,
      arXiv:2205.13543, section 3.1.

    Note:
      Without `renormalize`, distances shrink by the mass on the class tokens, as in
      some public notebooks.
    """
    weights = _patches(attention, class_tokens, renormalize)
    if grid[0] * grid[1] != weights.shape[-1]:
        raise ValueError(
            f"a grid of {grid[0]} x {grid[1]} has {grid[0] * grid[1]} patches, but "
            f"attention has {weights.shape[-1]} after {class_tokens} class tokens"
        )
    distances = patch_distances(grid=grid, patch_size=patch_size)
    return jnp.einsum("bhqk,qk->bh", weights, distances) / weights.shape[2]


def attention_entropy(
    attention: Features, *, class_tokens: int = 1
) -> Float[Array, "b heads"]:
    """How broadly heads look: the entropy over keys, mean over queries, in nats.

    Args:
      attention: after softmax, [b heads n n], class tokens first.
      class_tokens: tokens before the patches; they are dropped, rows renormalised.

    Returns:
      Nats for every image and head, from 0 to log of the number of patches.

    Raises:
      ValueError: if shapes do not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> even = jnp.full((1, 1, 3, 3), 1 / 3)
      >>> round(float(attention_entropy(even)[0, 0]), 4)
      0.6931

    References:
      Xie et al., Revealing the Dark Secrets of Masked Image Modeling, 2022,
      arXiv:2205.13543, section 3.1.
    """
    weights = _patches(attention, class_tokens, renormalize=True)
    return -jnp.mean(jnp.sum(xlogy(weights, weights), axis=-1), axis=-1)


def head_divergence(
    attention: Features, *, class_tokens: int = 1
) -> Float[Array, " b"]:
    """How different heads are: KL between their attention, in nats.

    Mean over ordered pairs of different heads and over queries.

    Args:
      attention: after softmax, [b heads n n], class tokens first, 2 heads or more.
      class_tokens: tokens before the patches; they are dropped, rows renormalised.

    Returns:
      Nats for every image; 0 where all heads agree.

    Raises:
      ValueError: if shapes do not fit or there is one head.

    Example:
      >>> import jax.numpy as jnp
      >>> head_divergence(jnp.full((1, 2, 3, 3), 1 / 3)).tolist()
      [0.0]

    References:
      Xie et al., Revealing the Dark Secrets of Masked Image Modeling, 2022,
      arXiv:2205.13543, section 3.1.
    """
    weights = _patches(attention, class_tokens, renormalize=True)
    heads = weights.shape[1]
    if heads < 2:
        raise ValueError(f"divergence is between heads; attention has {heads}")
    # A key that a head never looks at costs a large, finite number.
    logs = jnp.log(jnp.maximum(weights, jnp.finfo(weights.dtype).tiny))
    own = jnp.einsum("bhqk,bhqk->bhq", weights, logs)
    cross = jnp.einsum("bhqk,bgqk->bhgq", weights, logs)
    # Heads paired with themselves add nothing to the sum.
    pairs = jnp.sum(own[:, :, None] - cross, axis=(1, 2)) / (heads * (heads - 1))
    return jnp.mean(pairs, axis=-1)


def attention_information(
    attention: Features, *, class_tokens: int = 1
) -> Float[Array, "b heads"]:
    """How much keys depend on queries: normalised mutual information.

    I(q; k) / sqrt(H(q) H(k)) with queries equally likely: 0 where all queries look
    alike, 1 where each has its own key.

    Args:
      attention: after softmax, [b heads n n], class tokens first.
      class_tokens: tokens before the patches; they are dropped, rows renormalised.

    Returns:
      From 0 to 1, for every image and head.

    Raises:
      ValueError: if shapes do not fit or there is a single patch.

    Example:
      >>> import jax.numpy as jnp
      >>> own = jnp.eye(4)[None, None]
      >>> round(float(attention_information(own, class_tokens=0)[0, 0]), 3)
      1.0

    References:
      Park et al., What Do Self-Supervised Vision Transformers Learn?, 2023,
      arXiv:2305.00729, section 2.

    Note:
      As in the released code 1e-8 is added to every weight before normalising.
    """
    weights = _patches(attention, class_tokens, renormalize=False) + 1e-8
    count = weights.shape[2]
    if count < 2:
        raise ValueError(f"information needs 2 or more patches, got {count}")
    rows = weights / weights.sum(axis=-1, keepdims=True)
    keys = jnp.mean(rows, axis=2)
    ratio = rows * jnp.log(rows / keys[:, :, None])
    information = jnp.mean(jnp.sum(ratio, axis=-1), axis=-1)
    entropy = -jnp.sum(keys * jnp.log(keys), axis=-1)
    return information / jnp.sqrt(entropy * jnp.log(1.0 * count))
