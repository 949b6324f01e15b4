"""Tone operations of the fine-tuning set: bits, equalisation, sharpness, inversion."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.augment._layout import check_image, per_image


def _bytes(image: Array) -> Array:
    return jnp.round(jnp.clip(image, 0.0, 1.0) * 255.0)


def posterize(image: Float[Array, "b h w c"], bits) -> Float[Array, "b h w c"]:
    """Keeps the highest bits of each value, as of a byte.

    Args:
      image: images in [0, 1].
      bits: how many of the 8 bits stay, one number or one per image `[b]`.

    Returns:
      Images in [0, 1], multiples of 1/255; 8 bits leave bytes as they are.

    Raises:
      ValueError: for images that are not float `[b h w c]`.

    Example:
      >>> import jax.numpy as jnp
      >>> round(posterize(jnp.array([[[[130 / 255]]]]), 1).item() * 255)
      128

    References:
      Cubuk et al., RandAugment: Practical automated data augmentation with a reduced
      search space, 2019, arXiv:1909.13719, section 3.
    """
    check_image(image)
    x = at_least_float32(image)
    step = 2.0 ** (8.0 - jnp.round(per_image(bits, x)))
    return (jnp.floor(_bytes(x) / step) * step / 255.0).astype(image.dtype)


def equalize(image: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Spreads the values of each channel so that all bytes are about as frequent.

    Args:
      image: images in [0, 1].

    Returns:
      Images in [0, 1], multiples of 1/255; a channel of one value stays as it is.

    Raises:
      ValueError: for images that are not float `[b h w c]`.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.array([0.0, 1.0, 2.0, 3.0]).reshape(1, 2, 2, 1) / 255
      >>> (equalize(image) * 255).ravel().round().tolist()
      [0.0, 85.0, 170.0, 255.0]

    Note:
      The table is Pillow's: the cumulative count before a value, plus half a step,
      over a step of (pixels - count of the largest) // 255; where that step is 0, as
      in images of few pixels, the exact quotient is taken, where Pillow gives up.

    References:
      Cubuk et al., RandAugment: Practical automated data augmentation with a reduced
      search space, 2019, arXiv:1909.13719, section 3.
    """
    check_image(image)
    batch, height, width, channels = image.shape
    x = at_least_float32(image)
    values = _bytes(x).astype(jnp.int32).transpose(0, 3, 1, 2)
    values = values.reshape(batch * channels, height * width)
    counts = jax.vmap(lambda v: jnp.zeros(256, jnp.int32).at[v].add(1))(values)
    before = jnp.cumsum(counts, axis=1) - counts
    largest = 255 - jnp.argmax(counts[:, ::-1] > 0, axis=1)
    last = jnp.take_along_axis(counts, largest[:, None], axis=1)
    total = height * width - last
    step = total // 255
    coarse = (before + step // 2) // jnp.maximum(step, 1)
    fine = jnp.round(255.0 * before / jnp.maximum(total, 1)).astype(jnp.int32)
    table = jnp.clip(jnp.where(step > 0, coarse, fine), 0, 255)
    table = jnp.where(total > 0, table, jnp.arange(256)[None])
    out = jnp.take_along_axis(table, values, axis=1)
    out = out.reshape(batch, channels, height, width).transpose(0, 2, 3, 1)
    return (out.astype(x.dtype) / 255.0).astype(image.dtype)


def autocontrast(image: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Stretches each channel to the whole of [0, 1].

    Args:
      image: images in [0, 1].

    Returns:
      Images in [0, 1]; a channel of one value stays as it is.

    Raises:
      ValueError: for images that are not float `[b h w c]`.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.array([0.25, 0.5, 0.75]).reshape(1, 1, 3, 1)
      >>> autocontrast(image).ravel().tolist()
      [0.0, 0.5, 1.0]

    References:
      Cubuk et al., RandAugment: Practical automated data augmentation with a reduced
      search space, 2019, arXiv:1909.13719, section 3.
    """
    check_image(image)
    x = at_least_float32(image)
    low, high = jnp.min(x, (1, 2), keepdims=True), jnp.max(x, (1, 2), keepdims=True)
    flat = high <= low
    out = jnp.where(flat, x, (x - low) / jnp.where(flat, 1.0, high - low))
    return out.astype(image.dtype)


def sharpness(image: Float[Array, "b h w c"], factor) -> Float[Array, "b h w c"]:
    """Blends each image with a smooth one: below 1 softer, above 1 sharper.

    The smooth image is a 3 x 3 mean with weight 5/13 in the middle and 1/13 around;
    border pixels stay.

    Args:
      image: images in [0, 1].
      factor: one number or one per image `[b]`; 1 is the identity.

    Returns:
      Images in [0, 1].

    Raises:
      ValueError: for images that are not float `[b h w c]`.

    Example:
      >>> import jax.numpy as jnp
      >>> sharpness(jnp.full((1, 4, 4, 3), 0.5), 2.0).max().round(4).item()
      0.5

    References:
      Cubuk et al., RandAugment: Practical automated data augmentation with a reduced
      search space, 2019, arXiv:1909.13719, section 3.
    """
    check_image(image)
    x = at_least_float32(image)
    height, width = image.shape[1:3]
    around = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    near = [
        around[:, i : i + height, j : j + width] * (5.0 if i == j == 1 else 1.0)
        for i in range(3)
        for j in range(3)
    ]
    y, xs = jnp.arange(height), jnp.arange(width)
    inner = ((y > 0) & (y < height - 1))[:, None] & ((xs > 0) & (xs < width - 1))[None]
    smooth = jnp.where(inner[None, :, :, None], sum(near) / 13.0, x)
    factor = per_image(factor, x)
    out = jnp.clip(factor * x + (1.0 - factor) * smooth, 0.0, 1.0)
    return out.astype(image.dtype)


def invert(image: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """The negative: `1 - x`.

    Args:
      image: images in [0, 1].

    Returns:
      Images in [0, 1].

    Raises:
      ValueError: for images that are not float `[b h w c]`.

    Example:
      >>> import jax.numpy as jnp
      >>> invert(jnp.array([[[[0.25]]]])).item()
      0.75
    """
    check_image(image)
    return 1.0 - image
