"""Reconstruction of masked pixels: MAE, SimMIM, and their targets."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32, one_float_type
from sslax.checks import (
    check_not_empty,
    check_positive,
    check_rank,
    check_same_shape,
    check_shape,
)
from sslax.losses._numerics import weighted_mean


def masked_mse(
    prediction: Float[Array, "b n d"],
    target: Float[Array, "*as_prediction"],
    mask: Array,
) -> Float[Array, ""]:
    """MAE's mean squared error over the removed patches of the whole batch.

    loss = sum_bn m_bn (1/d) sum_d (x_bnd - y_bnd)^2 / sum_bn m_bn

    Here y are the pixels of a patch or `normalize_patches` of them. It is also the loss
    of one scale of LocalMIM, where the mask of a coarse cell is the fraction of it that
    was removed. Visible patches count for nothing.

    Args:
      prediction: x, `[b n d]`: the decoder's output for every patch, any unit.
      target: y, `[b n d]`, in the same unit.
      mask: m, `[b n]`: 1 where the patch was removed, 0 where it was visible; fractions
        are weights.

    Returns:
      A scalar, at least 0; 0 if the mask removes nothing.

    Raises:
      ValueError: if the shapes do not fit, or there is no patch at all.

    Example:
      >>> import jax.numpy as jnp
      >>> prediction = jnp.zeros((1, 3, 2))
      >>> target = jnp.array([[[1.0, 1.0], [3.0, 1.0], [9.0, 9.0]]])
      >>> float(masked_mse(prediction, target, jnp.array([[1.0, 1.0, 0.0]])))
      3.0

    Note:
      The quotient is taken once over the batch, as in the official code, not image by
      image; both agree where every image loses the same number of patches.

    References:
      He et al., "Masked Autoencoders Are Scalable Vision Learners", 2021,
      arXiv:2111.06377, section 3 (Reconstruction target).
      Wang et al., "Masked Image Modeling with Local Multi-Scale Reconstruction", 2023,
      arXiv:2303.05251, section 3.
    """
    check_rank(3, prediction=prediction)
    check_same_shape(prediction=prediction, target=target)
    check_shape(prediction.shape[:2], mask=mask)
    check_not_empty(prediction=prediction)
    prediction, target, mask = one_float_type(prediction, target, mask)
    return weighted_mean(jnp.mean(jnp.square(prediction - target), axis=-1), mask)


def masked_l1(
    prediction: Float[Array, "b h w c"],
    target: Float[Array, "*as_prediction"],
    mask: Array,
    *,
    epsilon: float = 1e-5,
) -> Float[Array, ""]:
    """SimMIM's L1 distance over the masked pixels of the whole batch.

    loss = sum_bhwc m_bhw |x_bhwc - y_bhwc| / (c (sum_bhw m_bhw + eps))

    Args:
      prediction: x, `[b h w c]`: the painted image, in the unit of the target.
      target: y, `[b h w c]`: the normalised image (SwinV2 takes `normalize_windows`).
      mask: m, `[b gh gw]`: 1 where masked, 0 where visible, on the pixel grid or on any
        coarser grid that divides it; a coarse cell stands for all its pixels.
      epsilon: eps, added to the number of masked pixels.

    Returns:
      A scalar, at least 0; 0 if the mask covers nothing.

    Raises:
      ValueError: if the shapes do not fit or epsilon is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> prediction = jnp.zeros((1, 2, 2, 3))
      >>> target = jnp.full((1, 2, 2, 3), 0.5)
      >>> round(float(masked_l1(prediction, target, jnp.array([[[1, 0], [0, 0]]]))), 4)
      0.5

    Note:
      The paper divides by the number of masked pixel values. The official code counts
      the pixels of a one-channel mask, adds 1e-5, and divides by 3 in a second step:
      the same number but for eps, which is followed here for any number of channels.

    References:
      Xie et al., "SimMIM: A Simple Framework for Masked Image Modeling", 2021,
      arXiv:2111.09886, equation 1.
    """
    check_rank(4, prediction=prediction)
    check_same_shape(prediction=prediction, target=target)
    check_not_empty(prediction=prediction)
    check_positive(epsilon=epsilon)
    b, h, w, c = prediction.shape
    check_rank(3, mask=mask)
    if mask.shape[0] != b or 0 in mask.shape or h % mask.shape[1] or w % mask.shape[2]:
        raise ValueError(
            f"mask must be [b gh gw] with b = {b}, gh dividing {h} and gw dividing "
            f"{w}, got {mask.shape}"
        )
    prediction, target, mask = one_float_type(prediction, target, mask)
    mask = jnp.repeat(mask, h // mask.shape[1], axis=1)
    mask = jnp.repeat(mask, w // mask.shape[2], axis=2)
    distance = jnp.sum(jnp.abs(prediction - target), axis=-1)
    return jnp.sum(mask * distance) / (c * (jnp.sum(mask) + epsilon))


def normalize_patches(
    patches: Float[Array, "*b p"], *, epsilon: float = 1e-6
) -> Float[Array, "*b p"]:
    """MAE's target: each patch standardised by its own mean and unbiased variance.

    y = (x - mean x) / sqrt(sum_p (x_p - mean x)^2 / (p - 1) + eps)

    It is `norm_pix_loss` of MAE, and the target of the pixel form of LocalMIM.

    Args:
      patches: x, `[... p]`: the p pixel values of each patch, all channels together.
      epsilon: eps, added to the variance.

    Returns:
      y, of the shape of `patches`, in at least float32. A constant patch becomes 0.

    Raises:
      ValueError: if a patch has fewer than two values or epsilon is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> print(normalize_patches(jnp.array([1.0, 2.0, 3.0])).round(3))
      [-1.  0.  1.]

    Note:
      The paper says mean and standard deviation; the official code divides the variance
      by p - 1 (torch's default), which is followed here. `jnp.var` and
      `jax.nn.standardize` divide by p.

    References:
      He et al., "Masked Autoencoders Are Scalable Vision Learners", 2021,
      arXiv:2111.06377, section 3 (Reconstruction target).
    """
    check_positive(epsilon=epsilon)
    if patches.ndim == 0 or patches.shape[-1] < 2:
        raise ValueError(
            "a patch needs 2 or more values on the last axis for its variance, got "
            f"shape {patches.shape}"
        )
    patches = at_least_float32(patches)
    mean = jnp.mean(patches, axis=-1, keepdims=True)
    variance = jnp.var(patches, axis=-1, keepdims=True, ddof=1)
    return (patches - mean) / jnp.sqrt(variance + epsilon)


def normalize_windows(
    images: Float[Array, "b h w c"], *, window: int = 47, epsilon: float = 1e-6
) -> Float[Array, "b h w c"]:
    """SwinV2's target for SimMIM: each pixel standardised by the window around it.

    y_ij = (x_ij - mean_W(ij) x) / sqrt(var_W(ij) x + eps)

    W(ij) is the window around ij as far as it lies in the image; per channel, with the
    unbiased variance.

    Args:
      images: x, `[b h w c]`, any unit.
      window: side of the window in pixels, odd.
      epsilon: eps, added to the variance.

    Returns:
      y, of the shape of `images`, in at least float32. A constant window gives 0.

    Raises:
      ValueError: if the window is not odd or sees fewer than two pixels.

    Example:
      >>> import jax.numpy as jnp
      >>> line = jnp.array([1.0, 2.0, 6.0]).reshape((1, 1, 3, 1))
      >>> [round(float(y), 3) for y in normalize_windows(line, window=3).ravel()]
      [-0.707, -0.378, 0.707]

    Note:
      Not in SimMIM's paper: it is the target of the pretraining of SwinV2. The pixels
      outside of the image are not counted.

    References:
      Liu et al., "Swin Transformer V2: Scaling Up Capacity and Resolution", 2021,
      arXiv:2111.09883 (its public pretraining code).
    """
    check_positive(epsilon=epsilon)
    centred, variance = centred_windows(images, window=window)
    return centred / jnp.sqrt(variance + epsilon)


def centred_windows(
    images: Float[Array, "b h w c"], *, window: int
) -> tuple[Float[Array, "b h w c"], Float[Array, "b h w c"]]:
    """Each pixel less the mean of the window around it, and the unbiased variance."""
    check_rank(4, images=images)
    if window % 2 == 0 or window < 1:
        raise ValueError(f"window must be an odd number of pixels, got {window}")
    reach = window // 2 + 1
    if min(images.shape[1], reach) * min(images.shape[2], reach) < 2:
        raise ValueError(
            f"a window of {window} pixels on images {images.shape} sees fewer than 2 "
            "pixels at the corners"
        )
    images = at_least_float32(images)
    # Variances of a shifted copy: differences of large squares lose digits.
    offset = jnp.mean(images, axis=(1, 2), keepdims=True)
    images = images - offset
    count = _window_sum(jnp.ones_like(images[:1, :, :, :1]), window)
    mean = _window_sum(images, window) / count
    square = _window_sum(jnp.square(images), window) / count
    variance = jnp.maximum(square - jnp.square(mean), 0) * (count / (count - 1))
    return images - mean, variance


def _window_sum(x: Array, window: int) -> Array:
    for axis in (1, 2):
        size = [1, 1, 1, 1]
        size[axis] = window
        x = jax.lax.reduce_window(x, 0.0, jax.lax.add, size, (1, 1, 1, 1), "SAME")
    return x
