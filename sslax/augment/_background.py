"""Foreground masks, and backgrounds removed or exchanged."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.augment._blur import gaussian_blur
from sslax.augment._layout import check_image, from_rows, grey_rows, per_image, to_rows
from sslax.augment._resample import resize


def spectral_saliency(
    image: Float[Array, "b h w c"], *, size: int = 64, sigma: float = 2.5
) -> Float[Array, "b h w 1"]:
    """How much each place stands out, from the residual of the log spectrum.

    The image is made small and grey; its log amplitude minus the local mean of it goes
    back to space with the old phase. What the mean of all images predicts is gone.

    Args:
      image: images in [0, 1] of one or three channels.
      size: side of the small image.
      sigma: of the blur of the result, in pixels of the small image.

    Returns:
      Saliency in [0, 1], its largest value 1 in each image (0 everywhere if constant).

    Raises:
      ValueError: for images that are not float `[b h w c]` of one or three channels.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.zeros((1, 64, 64, 1)).at[0, 28:36, 28:36].set(1.0)
      >>> saliency = spectral_saliency(image)[0, :, :, 0]
      >>> (saliency[30, 30] > saliency[2, 2]).item()
      True

    References:
      Hou and Zhang, Saliency Detection: A Spectral Residual Approach, 2007, equations 4
      to 6. Ryali et al., Characterizing and Improving the Robustness of Self-Supervised
      Learning through Background Augmentations, 2021, arXiv:2103.12719.
    """
    check_image(image, channels=(1, 3))
    grey = from_rows(grey_rows(to_rows(image)), jnp.float32)
    small = resize(grey, size=size, method="bilinear")[..., 0]
    spectrum = jnp.fft.fft2(small)
    amplitude = jnp.log(jnp.abs(spectrum) + 1e-8)
    near = [jnp.roll(amplitude, (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    residual = amplitude - sum(near) / 9.0
    phase = jnp.angle(spectrum)
    power = jnp.abs(jnp.fft.ifft2(jnp.exp(residual + 1j * phase))) ** 2
    constant = jnp.max(small, (1, 2)) - jnp.min(small, (1, 2)) < 1e-6
    power = jnp.where(constant[:, None, None], 0.0, power)[..., None]
    taps = min(2 * int(3 * sigma) + 1, 2 * size - 1)
    power = gaussian_blur(
        power / jnp.maximum(jnp.max(power, (1, 2, 3), keepdims=True), 1e-12),
        sigma,
        kernel_size=taps,
    )
    full = resize(power, size=image.shape[1:3], method="bilinear")
    largest = jnp.max(full, axis=(1, 2, 3), keepdims=True)
    return (full / jnp.where(largest > 0, largest, 1.0)).astype(image.dtype)


def saliency_mask(
    saliency: Float[Array, "b h w 1"], *, threshold: float = 3.0
) -> Float[Array, "b h w 1"]:
    """Foreground where the saliency is above a multiple of its mean.

    Args:
      saliency: saliency of each image.
      threshold: multiple of the mean.

    Returns:
      Masks, 1 in the foreground.

    Example:
      >>> import jax.numpy as jnp
      >>> saliency = jnp.array([0.0, 0.0, 0.0, 1.0]).reshape(1, 2, 2, 1)
      >>> saliency_mask(saliency).ravel().tolist()
      [0.0, 0.0, 0.0, 1.0]

    References:
      Hou and Zhang, Saliency Detection: A Spectral Residual Approach, 2007, section 3.
    """
    mean = jnp.mean(saliency, axis=(1, 2, 3), keepdims=True)
    return (saliency > threshold * mean).astype(saliency.dtype)


def compose(
    image: Float[Array, "b h w c"],
    mask: Float[Array, "b h w 1"],
    background: Array,
) -> Float[Array, "b h w c"]:
    """Puts the foreground of an image on another background.

    Args:
      image: images in [0, 1].
      mask: foreground in [0, 1], may be soft.
      background: what shows where the mask is 0; broadcasts with the image.

    Returns:
      `mask * image + (1 - mask) * background`.

    Raises:
      ValueError: if the mask has another height or width.

    Example:
      >>> import jax.numpy as jnp
      >>> image, mask = jnp.ones((1, 1, 2, 1)), jnp.array([[[[1.0], [0.0]]]])
      >>> compose(image, mask, 0.5 * image).ravel().tolist()
      [1.0, 0.5]

    References:
      Ryali et al., Characterizing and Improving the Robustness of Self-Supervised
      Learning through Background Augmentations, 2021, arXiv:2103.12719, section 3.
    """
    check_image(image)
    if mask.shape != (*image.shape[:3], 1):
        raise ValueError(
            f"expected masks {(*image.shape[:3], 1)}, got {tuple(mask.shape)}"
        )
    return mask * image + (1.0 - mask) * background


def remove_background(
    image: Float[Array, "b h w c"], mask: Float[Array, "b h w 1"], *, level=0.0
) -> Float[Array, "b h w c"]:
    """Replaces the background by one grey level.

    Args:
      image: images in [0, 1].
      mask: foreground in [0, 1].
      level: the grey level, one number or one per image `[b]`.

    Returns:
      Images of the same shape.

    Raises:
      ValueError: if the mask has another height or width.

    Example:
      >>> import jax.numpy as jnp
      >>> image, mask = jnp.ones((1, 1, 2, 1)), jnp.array([[[[1.0], [0.0]]]])
      >>> remove_background(image, mask).ravel().tolist()
      [1.0, 0.0]

    References:
      Ryali et al., Characterizing and Improving the Robustness of Self-Supervised
      Learning through Background Augmentations, 2021, arXiv:2103.12719, section 3.
    """
    check_image(image)
    return compose(image, mask, per_image(level, image))


def tile_background(
    image: Float[Array, "b h w c"], mask: Float[Array, "b h w 1"]
) -> Float[Array, "b h w c"]:
    """A background without its foreground: the largest free strip, tiled.

    Of the four strips above, below, left and right of the foreground's bounding box,
    the one of largest area is repeated over the whole image.

    Args:
      image: images in [0, 1].
      mask: foreground in [0, 1]; above 0.5 counts.

    Returns:
      Images that show background only (the image itself where nothing is foreground,
      or where no strip is free).

    Raises:
      ValueError: if the mask has another height or width.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.array([0.1, 0.2, 0.9]).reshape(1, 1, 3, 1)
      >>> mask = jnp.array([0.0, 0.0, 1.0]).reshape(1, 1, 3, 1)
      >>> [round(v, 1) for v in tile_background(image, mask).ravel().tolist()]
      [0.1, 0.2, 0.1]

    References:
      Ryali et al., Characterizing and Improving the Robustness of Self-Supervised
      Learning through Background Augmentations, 2021, arXiv:2103.12719, section 3.
    """
    check_image(image)
    if mask.shape != (*image.shape[:3], 1):
        raise ValueError(
            f"expected masks {(*image.shape[:3], 1)}, got {tuple(mask.shape)}"
        )
    height, width = image.shape[1:3]
    solid = mask[..., 0] > 0.5
    some = solid.any(axis=(1, 2))
    rows, columns = solid.any(axis=2), solid.any(axis=1)
    top, left = jnp.argmax(rows, axis=1), jnp.argmax(columns, axis=1)
    bottom = height - jnp.argmax(rows[:, ::-1], axis=1)
    right = width - jnp.argmax(columns[:, ::-1], axis=1)
    nought, full_h, full_w = (jnp.full_like(top, v) for v in (0, height, width))
    starts = jnp.stack(
        [
            jnp.stack([nought, bottom, nought, nought], 1),
            jnp.stack([nought, nought, nought, right], 1),
        ]
    )
    sizes = jnp.stack(
        [
            jnp.stack([top, height - bottom, full_h, full_h], 1),
            jnp.stack([full_w, full_w, left, width - right], 1),
        ]
    )
    area = sizes[0] * sizes[1]
    best = jnp.argmax(area, axis=1)[None, :, None]
    start = jnp.take_along_axis(starts, best, axis=2)[..., 0]
    extent = jnp.take_along_axis(sizes, best, axis=2)[..., 0]
    free = some & (area.max(axis=1) > 0)
    start = jnp.where(free, start, 0)
    extent = jnp.where(free, extent, jnp.stack([full_h, full_w]))
    y = start[0][:, None] + jnp.arange(height)[None] % extent[0][:, None]
    x = start[1][:, None] + jnp.arange(width)[None] % extent[1][:, None]
    tall = jnp.take_along_axis(image, y[:, :, None, None], axis=1)
    return jnp.take_along_axis(tall, x[:, None, :, None], axis=2)
