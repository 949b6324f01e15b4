"""Reconstruction of masked patches: MAE, LocalMIM."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.losses._checks import (
    at_least_float32,
    check_not_empty,
    check_rank,
    check_shape,
)


def weighted_mean(values: Array, weights: Array) -> Array:
    """Sum of weights times values over the sum of the weights; 0 without weight."""
    total = jnp.sum(weights)
    return jnp.sum(weights * values) / jnp.where(total == 0, 1, total)


def masked_mse(
    prediction: Float[Array, "b n d"],
    target: Float[Array, "*as_prediction"],
    mask: Array,
) -> Float[Array, ""]:
    """Mean squared error over the removed patches of the whole batch.

    loss = sum_bn m_bn (1/d) sum_d (x_bnd - y_bnd)^2 / sum_bn m_bn

    The loss of MAE, where y are the pixels of the patch or `normalize_patches` of them,
    and of one scale of LocalMIM, where the mask of a coarse cell is the fraction of it
    that was removed. Visible patches count for nothing.

    Args:
      prediction: x, [b n d]: the decoder's output for every patch, any unit.
      target: y, [b n d], in the same unit.
      mask: m, [b n]: 1 where the patch was removed, 0 where it was visible; fractions
        are weights.

    Returns:
      A scalar; 0 if the mask removes nothing.

    Raises:
      ValueError: if the shapes do not fit, or there is no patch at all.

    Example:
      >>> import jax.numpy as jnp
      >>> prediction = jnp.zeros((1, 3, 2))
      >>> target = jnp.asarray([[[1.0, 1.0], [3.0, 1.0], [9.0, 9.0]]])
      >>> print(masked_mse(prediction, target, jnp.asarray([[1.0, 1.0, 0.0]])))
      3.0

    Note:
      The quotient is taken once over the batch, as in the official code, not image by
      image; both agree where every image loses the same number of patches.

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, section 3 (Reconstruction target).
      Wang et al., Masked Image Modeling with Local Multi-Scale Reconstruction, 2023,
      arXiv:2303.05251, section 3.2.
    """
    check_rank(3, prediction=prediction)
    check_shape(prediction.shape, target=target)
    check_shape(prediction.shape[:2], mask=mask)
    check_not_empty(prediction=prediction)
    prediction, target, mask = at_least_float32(prediction, target, mask)
    return weighted_mean(jnp.mean(jnp.square(prediction - target), axis=-1), mask)


def normalize_patches(
    patches: Float[Array, "*batch p"], *, epsilon: float = 1e-6
) -> Float[Array, "*batch p"]:
    """Standardises each patch by its own mean and unbiased variance.

    y = (x - mean x) / sqrt(var x + eps),  var x = sum_p (x_p - mean x)^2 / (p - 1)

    The target of MAE (its `norm_pix_loss`) and of the pixel form of LocalMIM.

    Args:
      patches: x, [... p]: the p pixel values of each patch, all channels together.
      epsilon: eps, added to the variance.

    Returns:
      y, of the shape of `patches`, in at least float32. A constant patch becomes 0.

    Raises:
      ValueError: if a patch has fewer than two values.

    Example:
      >>> import jax.numpy as jnp
      >>> print(normalize_patches(jnp.asarray([1.0, 2.0, 3.0])).round(3))
      [-1.  0.  1.]

    Note:
      The paper says mean and standard deviation; the official code divides the variance
      by p - 1 (torch's default), which is followed here. `jnp.var` and
      `jax.nn.standardize` divide by p.

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, section 3 (Reconstruction target).
    """
    if patches.ndim == 0 or patches.shape[-1] < 2:
        raise ValueError(
            "a patch needs at least two values on the last axis for its variance, but "
            f"the shape of patches is {patches.shape}."
        )
    (patches,) = at_least_float32(patches)
    mean = jnp.mean(patches, axis=-1, keepdims=True)
    variance = jnp.var(patches, axis=-1, keepdims=True, ddof=1)
    return (patches - mean) / jnp.sqrt(variance + epsilon)
