"""Evolving Losses: the terms of multi-modal, multi-task video learning, their fitness.

A clip can lack a modality (video without sound): every term takes `present`, 1 for the
examples that have it, and is a mean over these.
"""

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
from sslax.losses._numerics import dot, length, weighted_mean


def evolving_reconstruction(
    prediction: Float[Array, "b ..."],
    target: Float[Array, "*as_prediction"],
    present: Array | None = None,
) -> Float[Array, ""]:
    """Evolving Losses: L2 of a decoder, for three of its tasks.

    loss = mean over examples of the mean over elements of (x - y)^2

    The tasks: the input itself, the frames that follow it, or another modality.

    Args:
      prediction: x, `[b ...]`: frames, flow, or a spectrogram.
      target: y, of the shape of `prediction`.
      present: `[b]`: 1 for examples that have the modality; None for all.

    Returns:
      A scalar, at least 0; 0 if no example is present.

    Raises:
      ValueError: if the shapes do not fit, or there is nothing to compare.

    Example:
      >>> import jax.numpy as jnp
      >>> x = jnp.array([[1.0, 1.0], [9.0, 9.0]])
      >>> float(evolving_reconstruction(x, 0 * x, jnp.array([1, 0])))
      1.0

    Note:
      The mean over elements keeps all terms on one scale, whatever the modality's size.

    References:
      Piergiovanni et al., "Evolving Losses for Unsupervised Video Representation
      Learning", 2020, arXiv:2002.12177, section 3.
    """
    check_same_shape(prediction=prediction, target=target)
    check_not_empty(prediction=prediction)
    prediction, target = one_float_type(prediction, target)
    square = jnp.square(prediction - target).reshape((prediction.shape[0], -1))
    return _mean_of_present(jnp.mean(square, axis=1), present)


def evolving_detection(
    logits: Float[Array, " b"], labels: Array, present: Array | None = None
) -> Float[Array, ""]:
    """Evolving Losses: binary cross-entropy, for order, direction and alignment.

    loss = mean_b softplus(-y_b z_b), y_b = 1 for yes and -1 for no

    The questions: are the frames in order? Does the clip play forward? Are two
    modalities from one time of one video?

    Args:
      logits: z, `[b]`: the score of yes (of a 2-way head, the difference).
      labels: `[b]`: 1 for yes, 0 for no.
      present: `[b]`: 1 for examples that have the modalities; None for all.

    Returns:
      A scalar, at least 0; 0 if no example is present.

    Raises:
      ValueError: if the shapes do not fit, or there is no example.

    Example:
      >>> import jax.numpy as jnp
      >>> logits = jnp.array([0.0, -1e4])
      >>> round(float(evolving_detection(logits, jnp.array([1, 0]))), 4)
      0.3466

    References:
      Piergiovanni et al., "Evolving Losses for Unsupervised Video Representation
      Learning", 2020, arXiv:2002.12177, section 3.
    """
    check_rank(1, logits=logits)
    check_shape(logits.shape, labels=labels)
    check_not_empty(logits=logits)
    logits = at_least_float32(logits)
    terms = jax.nn.softplus(jnp.where(labels > 0, -logits, logits))
    return _mean_of_present(terms, present)


def cross_modal_contrast(
    x1: Float[Array, "b d"],
    x2: Float[Array, "*as_x1"],
    negative: Float[Array, "*as_x1"],
    present: Array | None = None,
    *,
    margin: float = 1.0,
) -> Float[Array, ""]:
    """Evolving Losses: two modalities of a video are near, another video is far.

    loss = mean_b ( ||x1_b - x2_b|| + max(0, alpha - ||x1_b - n_b||) )

    Args:
      x1: `[b d]`: features of one modality.
      x2: `[b d]`: features of another modality of the same clips.
      negative: n, `[b d]`: features of other clips.
      present: `[b]`: 1 for examples that have the modalities; None for all.
      margin: alpha, above 0; 1 suits features of length 1 (see `unit`).

    Returns:
      A scalar, at least 0; 0 if no example is present. Equal vectors give no gradient.

    Raises:
      ValueError: if the shapes do not fit, or the margin is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> x1, x2 = jnp.array([[3.0, 0.0]]), jnp.array([[0.0, 4.0]])
      >>> float(cross_modal_contrast(x1, x2, x1))
      6.0

    Note:
      The distances are not squared. The paper does not state its margin.

    References:
      Piergiovanni et al., "Evolving Losses for Unsupervised Video Representation
      Learning", 2020, arXiv:2002.12177, section 3.
    """
    check_rank(2, x1=x1)
    check_same_shape(x1=x1, x2=x2, negative=negative)
    check_not_empty(x1=x1)
    check_positive(margin=margin)
    x1, x2, negative = one_float_type(x1, x2, negative)
    terms = length(x1 - x2) + jnp.maximum(0, margin - length(x1 - negative))
    return _mean_of_present(terms, present)


def evolving_distillation(
    layer: Float[Array, "b ..."],
    main: Float[Array, "*as_layer"],
    present: Array | None = None,
) -> Float[Array, ""]:
    """Evolving Losses: a layer of the main network follows one of another modality.

    loss = mean_b ||l_b - m_b|| / sqrt(number of elements of m_b)

    Args:
      layer: l, `[b ...]`: activations of the other modality's network; the method stops
        their gradient.
      main: m, of the same shape: activations of the main (RGB) network.
      present: `[b]`: 1 for examples that have the modality; None for all.

    Returns:
      A scalar, at least 0; 0 if no example is present. Equal layers give no gradient.

    Raises:
      ValueError: if the shapes do not fit, or there is nothing to compare.

    Example:
      >>> import jax.numpy as jnp
      >>> layer = jnp.full((1, 2, 2), 3.0)
      >>> float(evolving_distillation(layer, 0 * layer))
      3.0

    Note:
      The paper has the plain norm; the root of the number of elements is divided out
      here, so that layers of any size are on the scale of the other terms.

    References:
      Piergiovanni et al., "Evolving Losses for Unsupervised Video Representation
      Learning", 2020, arXiv:2002.12177, section 3, equation 2.
    """
    check_same_shape(layer=layer, main=main)
    check_not_empty(main=main)
    layer, main = one_float_type(layer, main)
    difference = (layer - main).reshape((main.shape[0], -1))
    terms = length(difference) / difference.shape[1] ** 0.5
    return _mean_of_present(terms, present)


def zipf_fitness(
    features: Float[Array, "n d"],
    centres: Float[Array, "k _"],
    *,
    exponent: float = 1.0,
) -> Float[Array, ""]:
    """Evolving Losses: how well the sizes of clusters follow Zipf's law; no labels.

    fitness = -KL(p || q) = -sum_i p_i log(p_i / q_i), q_i = i^-s / sum_j j^-s,
    p = sorted( mean_x softmax_i(-||x - c_i||^2) ), the largest first

    What the evolution of the weights of the losses maximises, after a short training.

    Args:
      features: x, `[n d]`: of held-out clips. Distances are taken as they are: give all
        candidates one scale, such as length 1 (see `unit`).
      centres: c, `[k d]`: centres of k-means on these features.
      exponent: s, at least 0; 0 asks for clusters of one size.

    Returns:
      A scalar, at most 0; 0 is a perfect fit.

    Raises:
      ValueError: if the shapes do not fit, or the exponent is negative.

    Example:
      >>> import jax.numpy as jnp
      >>> centres = jnp.array([[0.0], [100.0]])
      >>> features = jnp.array([[0.0], [100.0], [0.0]])
      >>> round(float(zipf_fitness(features, centres)), 4)
      0.0

    Note:
      Rank i is the rank by size: p is sorted before it is compared. The assignment is
      the posterior of Gaussians with variance 1/2 and equal priors.

    References:
      Piergiovanni et al., "Evolving Losses for Unsupervised Video Representation
      Learning", 2020, arXiv:2002.12177, section 4, equations 3 to 5.
    """
    check_rank(2, features=features, centres=centres)
    check_shape((centres.shape[0], features.shape[1]), centres=centres)
    check_not_empty(features=features, centres=centres)
    if exponent < 0:
        raise ValueError(f"exponent must be at least 0, got {exponent}")
    features, centres = one_float_type(features, centres)
    # ||x||^2 is left out: it is the same for all centres.
    closeness = 2 * dot(features, centres) - jnp.sum(centres**2, axis=1)[None]
    log_p = jax.nn.logsumexp(jax.nn.log_softmax(closeness), axis=0)
    log_p = -jnp.sort(-(log_p - jnp.log(features.shape[0])))
    rank = jnp.arange(1, centres.shape[0] + 1, dtype=log_p.dtype)
    log_q = jax.nn.log_softmax(-exponent * jnp.log(rank))
    return -jnp.sum(jnp.exp(log_p) * (log_p - log_q))


def _mean_of_present(terms: Array, present: Array | None) -> Array:
    if present is None:
        return jnp.mean(terms)
    check_shape(terms.shape, present=present)
    terms, present = one_float_type(terms, present)
    return weighted_mean(jnp.where(present > 0, terms, 0), present)
