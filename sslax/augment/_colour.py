"""Brightness, contrast, saturation, hue, grey and solarisation, one strength per image.

The field has three families of colour arithmetic that are not interchangeable:

- `torchvision`: brightness multiplies; contrast turns about one grey mean per image;
  saturation blends with grey; every operation clips to [0, 1].
- `simclr`: brightness multiplies; contrast turns about the mean of each channel;
  saturation multiplies S in HSV; nothing clips by itself (the jitter clips after each).
- `byol`: as `simclr`, but brightness *adds*. SimCLR's first version did so too.

Hue, grey and solarisation are the same in all three.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.augment._hsv import adjust_hsv, shift_hue
from sslax.augment._layout import (
    check_image,
    from_rows,
    grey_rows,
    per_image,
    to_rows,
)
from sslax.checks import check_choice

COLOURS = ("torchvision", "simclr", "byol")


def _blend(rows: Array, base: Array, factor: Array) -> Array:
    return factor * rows + (1.0 - factor) * base


def contrast_base(rows: Array, colour: str) -> Array:
    """The mean that contrast turns about: `[b 1 1 1]` or, per channel, `[b 1 c 1]`."""
    # First over the rows: sums of whole vectors, on CPU several times as fast.
    lines = jnp.mean(rows, axis=1, keepdims=True)
    means = jnp.mean(lines, axis=3, keepdims=True)
    return grey_rows(means) if colour == "torchvision" else means


def brightness(
    image: Float[Array, "b h w c"], amount, *, colour: str = "torchvision"
) -> Float[Array, "b h w c"]:
    """Makes images brighter or darker.

    Args:
      image: images in [0, 1], any number of channels.
      amount: one number or one per image `[b]`: a factor for `torchvision` and
        `simclr` (identity 1), an added difference for `byol` (identity 0).
      colour: the family, `torchvision`, `simclr` or `byol`.

    Returns:
      Images; in [0, 1] for `torchvision`, not clipped otherwise.

    Raises:
      ValueError: for images that are not float `[b h w c]` or an unknown family.

    Example:
      >>> import jax.numpy as jnp
      >>> brightness(jnp.full((1, 1, 1, 3), 0.5), 1.5)[0, 0, 0].tolist()
      [0.75, 0.75, 0.75]

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, appendix A. Grill et al., Bootstrap Your
      Own Latent, 2020, arXiv:2006.07733, appendix B.
    """
    check_image(image)
    check_choice(COLOURS, colour=colour)
    rows = to_rows(image)
    amount = per_image(amount, rows)
    out = rows + amount if colour == "byol" else rows * amount
    if colour == "torchvision":
        out = jnp.clip(out, 0.0, 1.0)
    return from_rows(out, image.dtype)


def contrast(
    image: Float[Array, "b h w c"], factor, *, colour: str = "torchvision"
) -> Float[Array, "b h w c"]:
    """Stretches or squeezes images about their mean.

    Args:
      image: images in [0, 1]; with `torchvision`, of one or three channels.
      factor: one number or one per image `[b]`; 1 is the identity, 0 leaves the mean.
      colour: the family: `torchvision` turns about the mean of the grey image,
        `simclr` and `byol` about the mean of each channel.

    Returns:
      Images; in [0, 1] for `torchvision`, not clipped otherwise.

    Raises:
      ValueError: for images that are not float `[b h w c]` or an unknown family.

    Example:
      >>> import jax.numpy as jnp
      >>> print(contrast(jnp.array([[[[0.2], [0.4]]]]), 2.0)[0, 0, :, 0].round(3))
      [0.1 0.5]

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, appendix A.
    """
    check_choice(COLOURS, colour=colour)
    torchvision = colour == "torchvision"
    check_image(image, channels=(1, 3) if torchvision else None)
    rows = to_rows(image)
    out = _blend(rows, contrast_base(rows, colour), per_image(factor, rows))
    if torchvision:
        out = jnp.clip(out, 0.0, 1.0)
    return from_rows(out, image.dtype)


def saturation(
    image: Float[Array, "b h w c"], factor, *, colour: str = "torchvision"
) -> Float[Array, "b h w c"]:
    """Makes colours stronger or weaker; the identity on one-channel images.

    Args:
      image: images in [0, 1] of one or three channels.
      factor: one number or one per image `[b]`; 1 is the identity, 0 leaves grey
        (`torchvision`) or the largest channel (`simclr`, `byol`).
      colour: the family: `torchvision` blends with the grey image, `simclr` and `byol`
        multiply S in HSV and clip it to 1.

    Returns:
      Images in [0, 1].

    Raises:
      ValueError: for images that are not float `[b h w c]` or an unknown family.

    Example:
      >>> import jax.numpy as jnp
      >>> red = jnp.array([[[[1.0, 0.0, 0.0]]]])
      >>> saturation(red, 0.5, colour="simclr")[0, 0, 0].tolist()
      [1.0, 0.5, 0.5]

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, appendix A.
    """
    check_choice(COLOURS, colour=colour)
    check_image(image, channels=(1, 3))
    if image.shape[-1] == 1:
        return image
    rows = to_rows(image)
    factor = per_image(factor, rows)
    if colour == "torchvision":
        out = jnp.clip(_blend(rows, grey_rows(rows), factor), 0.0, 1.0)
    else:
        out = adjust_hsv(rows, jnp.zeros_like(factor), factor)
    return from_rows(out, image.dtype)


def hue(image: Float[Array, "b h w c"], shift) -> Float[Array, "b h w c"]:
    """Turns the hue; the identity on one-channel images. The same in all families.

    Args:
      image: images in [0, 1] of one or three channels.
      shift: one number or one per image `[b]`, in turns: 1 is all the way round, so
        0.5 takes every colour to its opposite. Taken modulo 1.

    Returns:
      Images in [0, 1].

    Raises:
      ValueError: for images that are not float `[b h w c]` of one or three channels.

    Example:
      >>> import jax.numpy as jnp
      >>> hue(jnp.array([[[[1.0, 0.0, 0.0]]]]), 0.5)[0, 0, 0].tolist()
      [0.0, 1.0, 1.0]

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, appendix A.
    """
    check_image(image, channels=(1, 3))
    if image.shape[-1] == 1:
        return image
    return from_rows(shift_hue(to_rows(image), shift), image.dtype)


def grayscale(image: Float[Array, "b h w c"], *, amount=1.0) -> Float[Array, "b h w c"]:
    """Takes the colour away, keeping three channels; the identity on one channel.

    Args:
      image: images in [0, 1] of one or three channels.
      amount: one number or one per image `[b]`: 1 is grey, 0 the identity, between
        them a blend.

    Returns:
      Images of the same shape.

    Raises:
      ValueError: for images that are not float `[b h w c]` of one or three channels.

    Example:
      >>> import jax.numpy as jnp
      >>> print(grayscale(jnp.array([[[[1.0, 0.0, 0.0]]]]))[0, 0, 0])
      [0.2989 0.2989 0.2989]

    References:
      ITU-R BT.601 luma, with the weights 0.2989, 0.587, 0.114 that torchvision,
      TensorFlow and BYOL use.
    """
    check_image(image, channels=(1, 3))
    if image.shape[-1] == 1:
        return image
    rows = to_rows(image)
    return from_rows(grey_out(rows, per_image(amount, rows)), image.dtype)


def grey_out(rows: Array, amount: Array) -> Array:
    """Rows blended towards their grey by `[b 1 1 1]`; exact at 0 and at 1."""
    return (1.0 - amount) * rows + amount * grey_rows(rows)


def solarize(
    image: Float[Array, "b h w c"], *, threshold=0.5
) -> Float[Array, "b h w c"]:
    """Inverts what is bright: `x >= threshold` becomes `1 - x`.

    Args:
      image: images in [0, 1], any number of channels.
      threshold: one number or one per image `[b]`; infinity is the identity. 0.5 in
        BYOL, 128/255 in Pillow.

    Returns:
      Images in [0, 1].

    Raises:
      ValueError: for images that are not float `[b h w c]`.

    Example:
      >>> import jax.numpy as jnp
      >>> solarize(jnp.array([[[[0.25], [0.5], [1.0]]]]))[0, 0, :, 0].tolist()
      [0.25, 0.5, 0.0]

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, arXiv:2006.07733, appendix B.
    """
    check_image(image)
    rows = to_rows(image)
    return from_rows(invert_above(rows, per_image(threshold, rows)), image.dtype)


def invert_above(rows: Array, threshold: Array) -> Array:
    """Rows with values at or above `[b 1 1 1]` inverted."""
    return jnp.where(rows >= threshold, 1.0 - rows, rows)
