"""Colours as distributions over bins, and the weights of the bins.

The centres of the bins and their prior are arrays that the caller gives.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32, one_float_type
from sslax.checks import check_not_empty, check_positive, check_rank, check_shape
from sslax.losses._numerics import dot


def soft_encode(
    colours: Float[Array, "*b two"],
    centres: Float[Array | np.ndarray, "k two"],
    *,
    neighbours: int = 5,
    sigma: float = 5.0,
) -> Float[Array, "*b k"]:
    """Colorization's target: a colour as a distribution over its nearest bins.

    z_q = e^{-||y - c_q||^2 / (2 sigma^2)} / sum over the nearest bins, 0 for the others

    Args:
      colours: y, `[... 2]`: (a, b) of Lab colours, about -110 to 110.
      centres: c, `[k 2]`: (a, b) of the bins.
      neighbours: how many of the nearest bins share the colour.
      sigma: width of the Gaussian, in units of Lab.

    Returns:
      z, `[... k]`, sums to 1 over the bins. Bins at one distance: the first is nearer.

    Raises:
      ValueError: if colours or centres are not pairs, there are fewer bins than
        neighbours, or sigma is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> centres = jnp.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
      >>> code = soft_encode(jnp.array([5.0, 0.0]), centres, neighbours=2)
      >>> [round(float(z), 4) for z in code]
      [0.5, 0.5, 0.0]

    Note:
      The paper says 5 neighbours, the released layer takes 10; the codes differ by less
      than 0.1. Colours outside of the gamut have a code as well.

    References:
      Zhang et al., "Colorful Image Colorization", 2016, arXiv:1603.08511, section 2.1.
    """
    check_centres(centres)
    check_shape((*colours.shape[:-1], 2), colours=colours)
    check_positive(sigma=sigma)
    if not 1 <= neighbours <= centres.shape[0]:
        raise ValueError(
            f"neighbours must lie in [1, {centres.shape[0]}], the number of bins, got "
            f"{neighbours}"
        )
    colours, centres = one_float_type(colours, centres)
    flat = colours.reshape((-1, 1, 2))
    square = jnp.sum(jnp.square(flat - centres[None]), axis=-1)
    score, nearest = jax.lax.top_k(-square / (2 * sigma**2), neighbours)
    code = jnp.zeros(square.shape, square.dtype)
    row = jnp.arange(square.shape[0])[:, None]
    code = code.at[row, nearest].set(jax.nn.softmax(score, axis=-1))
    return code.reshape((*colours.shape[:-1], centres.shape[0]))


def smooth_prior(
    prior: Float[Array | np.ndarray, " _"],
    centres: Float[Array | np.ndarray, "k two"],
    *,
    sigma: float = 5.0,
) -> Float[Array, " k"]:
    """Colorization's prior over bins, smoothed by a Gaussian in the plane of colours.

    p'_q = sum_r p_r G_rq, G_rq = e^{-||c_r - c_q||^2 / (2 sigma^2)} / sum_s (same, rs)

    Args:
      prior: p, `[k]`: how often each bin occurs in the data, sums to 1.
      centres: c, `[k 2]`: (a, b) of the bins.
      sigma: width of the Gaussian, in units of Lab.

    Returns:
      p', `[k]`, of the same sum.

    Raises:
      ValueError: if the shapes do not fit or sigma is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> centres = jnp.array([[0.0, 0.0], [10.0, 0.0]])
      >>> [round(float(p), 4) for p in smooth_prior(jnp.array([1.0, 0.0]), centres)]
      [0.8808, 0.1192]

    Note:
      The table of the authors is smoothed already: it is used as it is.

    References:
      Zhang et al., "Colorful Image Colorization", 2016, arXiv:1603.08511, section 2.2.
    """
    check_centres(centres)
    check_shape(centres.shape[:1], prior=prior)
    check_positive(sigma=sigma)
    prior, centres = one_float_type(prior, centres)
    square = jnp.sum(jnp.square(centres[:, None] - centres[None]), axis=-1)
    kernel = jax.nn.softmax(-square / (2 * sigma**2), axis=1)
    return dot(prior[None], kernel.T)[0]


def rebalancing_weights(
    prior: Float[Array | np.ndarray, " k"], *, uniform: float = 0.5, alpha: float = 1.0
) -> Float[Array, " k"]:
    """Colorization's weights of the bins: rare colours count for more.

    w_q = v_q / sum_q p_q v_q, v_q = ((1 - lambda) p_q + lambda / k)^-alpha

    Args:
      prior: p, `[k]`: how often each bin occurs, sums to 1 (see `smooth_prior`).
      uniform: lambda, in [0, 1]: the share of the uniform distribution; 0 weighs by
        the prior alone, where a bin that never occurs gets weight 0.
      alpha: exponent, at least 0; 0 gives equal weights.

    Returns:
      w, `[k]`, whose mean under the prior is 1.

    Raises:
      ValueError: if there is no bin, or a number is out of its range.

    Example:
      >>> import jax.numpy as jnp
      >>> weights = rebalancing_weights(jnp.array([0.9, 0.1]))
      >>> [round(float(w), 4) for w in weights]
      [0.8824, 2.0588]

    Note:
      The released code takes the uniform part over the bins with a prior above 0, and
      divides by zero at the others; without such bins, as in its own table, it is the
      same as the paper's formula, which is followed here.

    References:
      Zhang et al., "Colorful Image Colorization", 2016, arXiv:1603.08511, equation 4.
    """
    check_rank(1, prior=prior)
    check_not_empty(prior=prior)
    if not 0 <= uniform <= 1:
        raise ValueError(f"uniform must lie in [0, 1], got {uniform}")
    if alpha < 0:
        raise ValueError(f"alpha must be at least 0, got {alpha}")
    prior = at_least_float32(prior)
    share = (1 - uniform) * prior + uniform / prior.shape[0]
    weights = jnp.where(share > 0, jnp.where(share > 0, share, 1.0) ** -alpha, 0.0)
    return weights / jnp.sum(prior * weights)


def pixel_weights(
    code: Float[Array, "*b k"], weights: Float[Array, " _"]
) -> Float[Array, "*b"]:
    """The weight of each pixel: the one of the bin that its colour is closest to.

    v = w_q at q = argmax_q z_q

    Args:
      code: z, `[... k]`: soft codes, see `soft_encode`.
      weights: w, `[k]`: see `rebalancing_weights`.

    Returns:
      v, `[...]`.

    Raises:
      ValueError: if the numbers of bins differ.

    Example:
      >>> import jax.numpy as jnp
      >>> code = jnp.array([[0.9, 0.1], [0.2, 0.8]])
      >>> pixel_weights(code, jnp.array([0.5, 2.0])).tolist()
      [0.5, 2.0]

    References:
      Zhang et al., "Colorful Image Colorization", 2016, arXiv:1603.08511, equation 3.
    """
    check_shape(code.shape[-1:], weights=weights)
    check_not_empty(weights=weights)
    weights = at_least_float32(weights)
    return weights[jnp.argmax(code, axis=-1)]


def colour_mask(
    colours: Float[Array, "b h w two"], *, threshold: float = 5.0
) -> Float[Array, " b"]:
    """1 for images with colour, 0 for grey ones, which teach nothing about colour.

    m_b = 1 if max_hw max(|a_bhw|, |b_bhw|) > threshold, else 0

    Args:
      colours: `[b h w 2]`: (a, b) of Lab colours.
      threshold: in units of Lab.

    Returns:
      m, `[b]`: multiply the weights of an image's pixels by it.

    Raises:
      ValueError: if the shape does not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> colour_mask(jnp.array([[[[1.0, -9.0]]], [[[1.0, 2.0]]]])).tolist()
      [1.0, 0.0]

    Note:
      Not in the paper: the released training code leaves such images out.

    References:
      Zhang et al., "Colorful Image Colorization", 2016, arXiv:1603.08511 (its public
      training code).
    """
    check_rank(4, colours=colours)
    check_shape((*colours.shape[:-1], 2), colours=colours)
    check_not_empty(colours=colours)
    colours = at_least_float32(colours)
    vivid = jnp.max(jnp.abs(colours), axis=(1, 2, 3)) > threshold
    return vivid.astype(colours.dtype)


def check_centres(centres: Array | np.ndarray) -> None:
    check_rank(2, centres=centres)
    check_shape((centres.shape[0], 2), centres=centres)
    check_not_empty(centres=centres)
