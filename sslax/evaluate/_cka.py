"""Centred kernel alignment: how alike two representations of the same images are."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.evaluate._checks import Features

_HIGHEST = jax.lax.Precision.HIGHEST


def _pair(x: Features, y: Features) -> tuple[Array, Array]:
    if x.ndim != 2 or y.ndim != 2 or x.shape[0] != y.shape[0] or x.shape[0] < 2:
        raise ValueError(
            "x and y must be [n d] and [n e], the same 2 or more images row by row, "
            f"got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    x, y = at_least_float32(x), at_least_float32(y)
    return x - x.mean(axis=0, keepdims=True), y - y.mean(axis=0, keepdims=True)


def _cosine(a: Array, b: Array, both: Array) -> Array:
    """both / sqrt(a b); 0 where a representation does not vary."""
    varies = (a > 0) & (b > 0)
    return jnp.where(varies, both / jnp.where(varies, jnp.sqrt(a) * jnp.sqrt(b), 1), 0)


def linear_cka(x: Features, y: Features) -> Float[Array, ""]:
    """Linear CKA of two representations; they need not have the same width.

    ||Y^T X||_F^2 / (||X^T X||_F ||Y^T Y||_F) of centred columns: 1 where they agree up
    to rotation and scale.

    Args:
      x: [n d], neither normalised nor centred; centred here.
      y: [n e], the same images in the same order.

    Returns:
      A scalar in [0, 1]; 0 if one of them does not vary.

    Raises:
      ValueError: for shapes that do not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> round(float(linear_cka(jnp.eye(3), 2 * jnp.eye(3))), 4)
      1.0

    References:
      Kornblith et al., Similarity of Neural Network Representations Revisited, 2019,
      arXiv:1905.00414, section 3.

    Note:
      The biased estimate, which is inflated where n is not well above d.
    """
    x, y = _pair(x, y)

    def square(a, b):
        return jnp.sum(jnp.square(jnp.matmul(a.T, b, precision=_HIGHEST)))

    return _cosine(square(x, x), square(y, y), square(x, y))


def rbf_cka(x: Features, y: Features) -> Float[Array, ""]:
    """CKA with Gaussian kernels, whose width follows the data.

    exp(-distance^2 / (2 sigma^2)) with sigma^2 the median of the squared distances
    between different images that are not 0.

    Args:
      x: [n d].
      y: [n e], the same images in the same order.

    Returns:
      A scalar in [0, 1]; 0 if one of them does not vary.

    Raises:
      ValueError: for shapes that do not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> round(float(rbf_cka(jnp.eye(3), 2 * jnp.eye(3))), 4)
      1.0

    References:
      Kornblith et al., Similarity of Neural Network Representations Revisited, 2019,
      arXiv:1905.00414, section 3.

    Note:
      The authors' demo takes the median over all entries, zeros included.
    """
    x, y = _pair(x, y)

    def kernel(a):
        norms = jnp.sum(a * a, axis=1)
        products = jnp.matmul(a, a.T, precision=_HIGHEST)
        square = jnp.maximum(norms[:, None] + norms[None, :] - 2 * products, 0)
        apart = (square > 0) & ~jnp.eye(a.shape[0], dtype=bool)
        square = jnp.where(apart, square, 0)
        width = jnp.nanmedian(jnp.where(apart, square, jnp.nan))
        gram = jnp.exp(-square / (2 * jnp.where(width > 0, width, 1)))
        gram = gram - gram.mean(axis=0, keepdims=True)
        return gram - gram.mean(axis=1, keepdims=True)

    kx, ky = kernel(x), kernel(y)
    return _cosine(jnp.sum(kx * kx), jnp.sum(ky * ky), jnp.sum(kx * ky))
