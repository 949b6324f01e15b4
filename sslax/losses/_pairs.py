"""Two modalities in one space: images and texts that belong together."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32, unit
from sslax.checks import check_count, check_rank, check_same_shape
from sslax.losses._numerics import dot, inner, logsumexp_but, over_rows


def clip(
    image: Float[Array, "b d"],
    text: Float[Array, "b d"],
    log_scale: ArrayLike,
    *,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """CLIP's symmetric cross-entropy over a matrix of scaled cosines.

    loss = ( CE(rows of L) + CE(columns of L) ) / 2, L = e^{log_scale} cos(image, text)

    It is the mean of `info_nce` in both directions at temperature e^{-log_scale}.
    `siglip` decides every pair alone instead.

    Args:
      image: features of images, any length (they are normalised here).
      text: features of the texts of the same images, in order.
      log_scale: scalar, learned; log(1 / 0.07) at the start. The training clips it at
        log(100), the loss does not.
      block_size: rows in a block: the matrix is then never whole in memory, and each
        logit is computed once for its row and once for its column.

    Returns:
      A scalar, at least 0.

    Raises:
      ValueError: if shapes differ or if b < 2.

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.eye(4)
      >>> round(float(clip(z, z, jnp.array(0.0))), 4)
      0.7437

    References:
      Radford et al., "Learning Transferable Visual Models From Natural Language
      Supervision", 2021, arXiv:2103.00020, figure 3.
    """
    image, text, log_scale = _prepared(image, text, log_scale)
    scale = jnp.exp(log_scale)
    positive = scale * inner(image, text)

    def rows(row, index, keys):
        own = index[:, None] == jnp.arange(keys.shape[0])[None, :]
        return logsumexp_but(scale * dot(row, keys), own)

    if block_size is None:
        logits = scale * dot(image, text)
        own = jnp.eye(logits.shape[0], dtype=bool)
        negatives = logsumexp_but(logits, own), logsumexp_but(logits.T, own)
    else:
        negatives = tuple(
            over_rows(lambda r, i, k=keys: rows(r, i, k), row, block_size=block_size)
            for row, keys in ((image, text), (text, image))
        )
    losses = [jnp.mean(jax.nn.softplus(n - positive)) for n in negatives]
    return (losses[0] + losses[1]) / 2


def siglip(
    image: Float[Array, "b d"],
    text: Float[Array, "b d"],
    log_scale: ArrayLike,
    bias: ArrayLike,
    *,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """SigLIP: every pair of the batch is a binary decision of its own.

    loss = mean_i sum_j -log sigmoid( y_ij (e^{log_scale} cos(image_i, text_j) + bias) )

    y is 1 on the diagonal and -1 elsewhere. No softmax, so no pair needs the others;
    `clip` is the softmax form.

    Args:
      image: features of images, any length (they are normalised here).
      text: features of the texts of the same images, in order.
      log_scale: scalar, learned; log(10) at the start.
      bias: scalar, learned; -10 at the start, for the many negatives.
      block_size: rows in a block; the matrix is then never whole in memory.

    Returns:
      A scalar, above 0: the sum over texts, the mean over images.

    Raises:
      ValueError: if shapes differ or if b < 2.

    Example:
      >>> import jax.numpy as jnp
      >>> z = jnp.eye(2)
      >>> round(float(siglip(z, z, jnp.array(0.0), jnp.array(0.0))), 4)
      1.0064

    References:
      Zhai et al., "Sigmoid Loss for Language Image Pre-Training", 2023,
      arXiv:2303.15343, equation 2.
    """
    image, text, log_scale = _prepared(image, text, log_scale)
    scale = jnp.exp(log_scale)

    def rows(row, index):
        own = index[:, None] == jnp.arange(text.shape[0])[None, :]
        logits = scale * dot(row, text) + bias
        return jnp.sum(jax.nn.softplus(jnp.where(own, -logits, logits)), axis=1)

    return jnp.mean(over_rows(rows, image, block_size=block_size))


def _prepared(image: Array, text: Array, log_scale: ArrayLike) -> tuple[Array, ...]:
    check_rank(2, image=image, text=text)
    check_same_shape(image=image, text=text)
    check_count(2, image=image)
    if jnp.ndim(log_scale) != 0:
        raise ValueError(f"log_scale must be a scalar, got {jnp.shape(log_scale)}")
    log_scale = at_least_float32(log_scale)
    return unit(image), unit(text), log_scale
