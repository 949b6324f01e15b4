"""Elastic deformation: smooth random displacements of every pixel."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from sslax.augment._blur import gaussian_blur
from sslax.augment._geometry import sample
from sslax.augment._layout import check_image, compute_dtype


def elastic(
    image: Float[Array, "b h w c"], displacement: Array
) -> Float[Array, "b h w c"]:
    """Reads every pixel from a place beside it, bilinearly; the edge is repeated.

    Args:
      image: images, any number of channels.
      displacement: `[b h w 2]`: down and to the right, in pixels.

    Returns:
      Images of the same shape.

    Raises:
      ValueError: for wrong images, or displacements of another shape.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.arange(3.0).reshape(1, 1, 3, 1)
      >>> move = jnp.zeros((1, 1, 3, 2)).at[..., 1].set(1.0)
      >>> elastic(image, move).ravel().tolist()
      [1.0, 2.0, 2.0]

    References:
      Simard et al., Best Practices for Convolutional Neural Networks Applied to Visual
      Document Analysis, 2003, section 2.
    """
    check_image(image)
    batch, height, width, _ = image.shape
    if displacement.shape != (batch, height, width, 2):
        raise ValueError(
            f"expected displacements ({batch}, {height}, {width}, 2), "
            f"got {tuple(displacement.shape)}"
        )
    move = displacement.astype(compute_dtype(image.dtype))
    y = jnp.arange(height, dtype=move.dtype)[None, :, None] + move[..., 0]
    x = jnp.arange(width, dtype=move.dtype)[None, None, :] + move[..., 1]
    y, x = jnp.clip(y, 0.0, height - 1.0), jnp.clip(x, 0.0, width - 1.0)
    return sample(image, y, x, sampling="bilinear", fill=0.0)


def random_elastic(
    key: PRNGKeyArray,
    image: Float[Array, "b h w c"],
    *,
    alpha: float = 34.0,
    sigma: float = 4.0,
) -> Float[Array, "b h w c"]:
    """Elastic deformation by uniform noise in [-1, 1], blurred and scaled.

    Args:
      key: a random key.
      image: images, any number of channels.
      alpha: what the blurred noise is multiplied with, in pixels.
      sigma: of the blur, in pixels.

    Returns:
      Images of the same shape.

    Raises:
      ValueError: for wrong images.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> random_elastic(jax.random.key(0), jnp.ones((2, 28, 28, 1))).shape
      (2, 28, 28, 1)

    References:
      Simard et al., Best Practices for Convolutional Neural Networks Applied to Visual
      Document Analysis, 2003, section 2.
    """
    check_image(image)
    shape = (*image.shape[:3], 2)
    noise = jax.random.uniform(
        key, shape, compute_dtype(image.dtype), minval=-1.0, maxval=1.0
    )
    taps = 2 * round(3 * sigma) + 1
    smooth = gaussian_blur(noise, sigma, kernel_size=taps, padding="zero")
    return elastic(image, alpha * smooth)
