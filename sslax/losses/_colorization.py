"""Image colorization: the rebalanced cross-entropy, and the annealed mean."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.arrays import one_float_type
from sslax.checks import (
    check_not_empty,
    check_positive,
    check_rank,
    check_same_shape,
    check_shape,
)
from sslax.losses._colour_codes import check_centres
from sslax.losses._numerics import dot


def colorization(
    logits: Float[Array, "b h w k"],
    code: Float[Array, "*as_logits"],
    weights: Float[Array, "*b_h_w"],
    *,
    rescale_gradient: bool = False,
) -> Float[Array, ""]:
    """Colorization's rebalanced cross-entropy: pixels summed, images averaged.

    loss = -(1/b) sum_bhw v_bhw sum_q z_bhwq log softmax(y_bhw)_q

    Args:
      logits: y, `[b h w k]`: scores of the bins at every pixel.
      code: z, `[b h w k]`: the soft code of the pixel's colour, see `soft_encode`.
      weights: v, `[b h w]`: see `pixel_weights`, times `colour_mask` of the image.
      rescale_gradient: report the value without weights, and have the gradient with
        them, as the released layers do.

    Returns:
      A scalar, at least 0.

    Raises:
      ValueError: if the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> logits, code = jnp.zeros((1, 1, 2, 4)), jnp.full((1, 1, 2, 4), 0.25)
      >>> weights = jnp.array([[[0.5, 2.0]]])
      >>> round(float(colorization(logits, code, weights)), 4)
      3.4657

    Note:
      The sum over pixels is the paper's and, with the mean over the batch, Caffe's.
      Divide by the number of pixels for a rate that does not depend on the size. The
      gradient is for the logits: code and weights are constants of the data.

    References:
      Zhang et al., "Colorful Image Colorization", 2016, arXiv:1603.08511, equation 2.
    """
    check_rank(4, logits=logits)
    check_same_shape(logits=logits, code=code)
    check_shape(logits.shape[:3], weights=weights)
    check_not_empty(logits=logits)
    logits, code, weights = one_float_type(logits, code, weights)
    entropy = -jnp.sum(code * jax.nn.log_softmax(logits), axis=-1)
    rebalanced = jnp.sum(weights * entropy) / logits.shape[0]
    if not rescale_gradient:
        return rebalanced
    plain = jnp.sum(entropy) / logits.shape[0]
    # The form is defined by it: the value of one term with the gradient of the other.
    return rebalanced + jax.lax.stop_gradient(plain - rebalanced)


def annealed_mean(
    logits: Float[Array, "*b k"],
    centres: Float[Array | np.ndarray, "k two"],
    *,
    temperature: ArrayLike = 0.38,
) -> Float[Array, "*b two"]:
    """Colorization's point estimate: the mean colour of the sharpened distribution.

    y = sum_q softmax(z / T)_q c_q

    Between the mode (T to 0), which is vivid and spotty, and the mean (T = 1), which is
    even and pale. For pictures only; no gradient is needed.

    Args:
      logits: z, `[... k]`: scores of the bins.
      centres: c, `[k 2]`: (a, b) of the bins.
      temperature: T, above 0.

    Returns:
      `[... 2]`: (a, b) of Lab colours.

    Raises:
      ValueError: if the shapes do not fit or the temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> centres = jnp.array([[0.0, 0.0], [10.0, 20.0]])
      >>> annealed_mean(jnp.array([0.0, 0.0]), centres).tolist()
      [5.0, 10.0]

    Note:
      The paper has T = 0.38; the released network multiplies its logits by 2.606, which
      is T = 0.3837.

    References:
      Zhang et al., "Colorful Image Colorization", 2016, arXiv:1603.08511, equation 5.
    """
    check_centres(centres)
    check_shape((*logits.shape[:-1], centres.shape[0]), logits=logits)
    check_positive(temperature=temperature)
    logits, centres = one_float_type(logits, centres)
    share = jax.nn.softmax(logits / temperature, axis=-1)
    flat = share.reshape((-1, centres.shape[0]))
    return dot(flat, centres.T).reshape((*logits.shape[:-1], 2))
