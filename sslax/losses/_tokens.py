"""Discrete visual tokens: BEiT's loss, and codes and losses of the dVAE behind it."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
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


def masked_cross_entropy(
    logits: Float[Array, "b n k"], codes: Array, mask: Array
) -> Float[Array, ""]:
    """BEiT's cross-entropy of the visual tokens at the masked places of the batch.

    loss = - sum_bn m_bn log softmax(z_bn)[y_bn] / sum_bn m_bn

    Args:
      logits: z, `[b n k]`: scores of the k words of the vocabulary at every patch.
      codes: y, `[b n]`: the tokenizer's word at every patch, integers 0 .. k-1.
      mask: m, `[b n]`: 1 where the patch was masked, 0 where it was visible; fractions
        are weights.

    Returns:
      A scalar, at least 0; 0 if the mask covers nothing. Places whose code is not in
      0 .. k-1 are left out, like unmasked ones.

    Raises:
      ValueError: if the shapes do not fit, or there is no logit.

    Example:
      >>> import jax.numpy as jnp
      >>> logits = jnp.zeros((1, 3, 4))
      >>> codes, mask = jnp.array([[0, 3, 2]]), jnp.array([[1, 0, 1]])
      >>> round(float(masked_cross_entropy(logits, codes, mask)), 4)
      1.3863

    Note:
      The official code gathers the masked places and takes a plain mean over the
      batch of a device: the same number, by a mask, with shapes that never change.

    References:
      Bao et al., "BEiT: BERT Pre-Training of Image Transformers", 2021,
      arXiv:2106.08254, equation 2.
    """
    check_rank(3, logits=logits)
    check_shape(logits.shape[:2], codes=codes, mask=mask)
    check_not_empty(logits=logits)
    logits, mask = one_float_type(logits, mask)
    known = (codes >= 0) & (codes < logits.shape[-1])
    own = jnp.where(known, codes, 0)[..., None]
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), own, axis=-1)[..., 0]
    return weighted_mean(-picked, jnp.where(known, mask, 0))


def map_pixels(
    images: Float[Array, "*b c"], *, epsilon: float = 0.1
) -> Float[Array, "*b c"]:
    """The dVAE's view of pixels: [0, 1] mapped into [eps, 1 - eps].

    x' = (1 - 2 eps) x + eps

    It keeps `logit_laplace`, which the tokenizer is trained by, away from 0 and 1.

    Args:
      images: x, in [0, 1], any shape.
      epsilon: eps, above 0 and below 0.5.

    Returns:
      x', in at least float32.

    Raises:
      ValueError: if epsilon is not in (0, 0.5).

    Example:
      >>> import jax.numpy as jnp
      >>> [round(float(x), 3) for x in map_pixels(jnp.array([0.0, 0.5, 1.0]))]
      [0.1, 0.5, 0.9]

    References:
      Ramesh et al., "Zero-Shot Text-to-Image Generation", 2021, arXiv:2102.12092,
      appendix A.3.
    """
    _check_pixel_margin(epsilon)
    images = at_least_float32(images)
    return (1 - 2 * epsilon) * images + epsilon


def unmap_pixels(
    mapped: Float[Array, "*b c"], *, epsilon: float = 0.1
) -> Float[Array, "*b c"]:
    """The inverse of `map_pixels`, clipped to [0, 1].

    x = clip((x' - eps) / (1 - 2 eps), 0, 1)

    A picture is reconstructed as `unmap_pixels(sigmoid(mean))` of the decoder's mean.

    Args:
      mapped: x', any shape.
      epsilon: eps, above 0 and below 0.5.

    Returns:
      x, in [0, 1], in at least float32.

    Raises:
      ValueError: if epsilon is not in (0, 0.5).

    Example:
      >>> import jax.numpy as jnp
      >>> [round(float(x), 3) for x in unmap_pixels(jnp.array([0.0, 0.5, 0.9]))]
      [0.0, 0.5, 1.0]

    References:
      Ramesh et al., "Zero-Shot Text-to-Image Generation", 2021, arXiv:2102.12092,
      appendix A.3.
    """
    _check_pixel_margin(epsilon)
    mapped = at_least_float32(mapped)
    return jnp.clip((mapped - epsilon) / (1 - 2 * epsilon), 0, 1)


def _check_pixel_margin(epsilon: float) -> None:
    if not 0 < epsilon < 0.5:
        raise ValueError(f"epsilon must lie between 0 and 0.5, got {epsilon}")


def logit_laplace(
    target: Float[Array, "*b c"],
    mean: Float[Array, "*as_target"],
    log_scale: Float[Array, "*as_target"],
) -> Float[Array, "*b c"]:
    """The dVAE's reconstruction loss: minus the logit-Laplace log-likelihood.

    loss = log(2 b x (1 - x)) + |logit x - mu| / b, b = exp(log_scale)

    A distribution over the open interval (0, 1), which is where pixels live: the
    sigmoid of a Laplace variable. Take the mean for the loss of a batch.

    Args:
      target: x, pixels in (0, 1): give it `map_pixels` of an image.
      mean: mu, of the shape of `target`: the first half of the decoder's channels.
      log_scale: log b, of the shape of `target`: the second half.

    Returns:
      One value per pixel and channel, which may be negative: it is a density's.

    Raises:
      ValueError: if the shapes differ.

    Example:
      >>> import jax.numpy as jnp
      >>> x = map_pixels(jnp.array([0.5]))
      >>> round(float(logit_laplace(x, jnp.zeros(1), jnp.zeros(1))[0]), 4)
      -0.6931

    Note:
      Targets outside of (1e-6, 1 - 1e-6) are moved to these bounds. DALL-E's public
      code has the networks only; it reads the decoder's channels as all means, then all
      log scales. Scales below e^-50 and above e^50 are moved to these bounds as well.

    References:
      Ramesh et al., "Zero-Shot Text-to-Image Generation", 2021, arXiv:2102.12092,
      appendix A.3, equation 2.
    """
    check_same_shape(target=target, mean=mean, log_scale=log_scale)
    target, mean, log_scale = one_float_type(target, mean, log_scale)
    target = jnp.clip(target, 1e-6, 1 - 1e-6)
    log_scale = jnp.clip(log_scale, -50, 50)
    logit = jnp.log(target) - jnp.log1p(-target)
    jacobian = jnp.log(target) + jnp.log1p(-target)
    distance = jnp.abs(logit - mean) * jnp.exp(-log_scale)
    return math.log(2) + log_scale + jacobian + distance


def uniform_kl(logits: Float[Array, "*b k"]) -> Float[Array, "*b"]:
    """The dVAE's regulariser: KL of each place's code distribution from the uniform.

    loss = KL(q || u) = log k + sum_k q_k log q_k, q = softmax(z)

    Args:
      logits: z, `[... k]`: the encoder's scores of the k words at every place.

    Returns:
      One value per place, in [0, log k]. The loss of the dVAE adds a weight times the
      mean over the places (DALL-E lets the weight grow from 0 to 6.6).

    Raises:
      ValueError: if there is no word.

    Example:
      >>> import jax.numpy as jnp
      >>> print(uniform_kl(jnp.array([[0.0, 0.0], [9999.0, 0.0]])).round(4))
      [0.     0.6931]

    Note:
      The dVAE that comes with BEiT asks torch for "batchmean" of a tensor with one
      element in its batch, and so takes the sum over images and places instead of a
      mean; it also has log(q + 1e-10) where the exact logarithm is taken here.

    References:
      Ramesh et al., "Zero-Shot Text-to-Image Generation", 2021, arXiv:2102.12092,
      section 2.1.
    """
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise ValueError(f"logits must be [... k] with k >= 1, got {logits.shape}")
    logits = at_least_float32(logits)
    log_q = jax.nn.log_softmax(logits)
    return math.log(logits.shape[-1]) + jnp.sum(jnp.exp(log_q) * log_q, axis=-1)


def gumbel_softmax(
    logits: Float[Array, "*b k"],
    noise: Array,
    *,
    temperature: ArrayLike = 1.0,
    straight_through: bool = False,
) -> Float[Array, "*b k"]:
    """A draw from a categorical distribution, relaxed so that gradients pass.

    y = softmax((z + g) / temperature)

    As the temperature goes to 0 it becomes a one-hot draw from softmax(z). A dVAE is
    trained through such codes, with `uniform_kl`.

    Args:
      logits: z, `[... k]`.
      noise: g, of the same shape: `jax.random.gumbel(key, logits.shape)`.
      temperature: above 0; a number, or a scalar that a schedule gives.
      straight_through: return the one-hot vector of the largest, with the gradient of
        the relaxed one.

    Returns:
      Weights `[... k]` that sum to 1, at least float32.

    Raises:
      ValueError: shapes that differ, or a temperature that is not above 0.

    Example:
      >>> import jax.numpy as jnp
      >>> y = gumbel_softmax(jnp.array([0.0, 1.0]), jnp.zeros(2), temperature=0.5)
      >>> [round(v, 2) for v in y.tolist()]
      [0.12, 0.88]

    References:
      Jang et al., "Categorical Reparameterization with Gumbel-Softmax", 2017,
      arXiv:1611.01144, equation 2. Maddison et al., "The Concrete Distribution", 2017,
      arXiv:1611.00712.
    """
    check_same_shape(logits=logits, noise=noise)
    check_positive(temperature=temperature)
    logits, noise = one_float_type(logits, noise)
    soft = jax.nn.softmax((logits + noise) / temperature, axis=-1)
    if not straight_through:
        return soft
    hard = jax.nn.one_hot(soft.argmax(-1), soft.shape[-1], dtype=soft.dtype)
    return hard + (soft - jax.lax.stop_gradient(soft))
