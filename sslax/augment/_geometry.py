"""Affine maps of images: rotation, shear, scale and translation, sampled bilinearly."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.augment._layout import check_image, compute_dtype
from sslax.augment._resample import pair
from sslax.checks import check_choice

SAMPLINGS = ("bilinear", "nearest")


def affine(
    image: Float[Array, "b h w c"],
    matrix: Array,
    *,
    sampling: str = "bilinear",
    fill: float = 0.0,
    size=None,
    edge: bool = False,
) -> Float[Array, "b p q c"]:
    """Samples each image at an affine map of the output's pixels.

    Args:
      image: images, any number of channels.
      matrix: `[b 2 3]` or `[2 3]`: takes the output offset (dx, dy, 1) from the centre
        of the image, x to the right and y down, to the input offset; see
        `affine_matrix`.
      sampling: `bilinear` or `nearest`.
      fill: what lies outside the image.
      size: of the output: one integer or (height, width); None is that of the image.
      edge: repeat the edge outside the image, instead of the fill.

    Returns:
      Images of the output size.

    Raises:
      ValueError: for wrong images, matrices or sampling.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.arange(3.0).reshape(1, 1, 3, 1)
      >>> shift = jnp.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
      >>> affine(image, shift)[0, 0, :, 0].tolist()
      [1.0, 2.0, 0.0]

    References:
      Jaderberg et al., Spatial Transformer Networks, 2015, arXiv:1506.02025,
      equations 1 and 5.
    """
    check_image(image)
    check_choice(SAMPLINGS, sampling=sampling)
    batch, height, width, _ = image.shape
    if matrix.shape not in ((2, 3), (batch, 2, 3)):
        raise ValueError(
            f"expected matrices ({batch}, 2, 3) or (2, 3), got {tuple(matrix.shape)}"
        )
    dtype = compute_dtype(image.dtype)
    matrix = jnp.broadcast_to(matrix, (batch, 2, 3)).astype(dtype)[:, :, :, None, None]
    tall, wide = (height, width) if size is None else pair(size)
    dx = (jnp.arange(wide, dtype=dtype) - (wide - 1) / 2)[None, None, :]
    dy = (jnp.arange(tall, dtype=dtype) - (tall - 1) / 2)[None, :, None]
    x, y = (
        matrix[:, i, 0] * dx + matrix[:, i, 1] * dy + matrix[:, i, 2] for i in (0, 1)
    )
    x, y = x + (width - 1) / 2, y + (height - 1) / 2
    if edge:
        x, y = jnp.clip(x, 0.0, width - 1.0), jnp.clip(y, 0.0, height - 1.0)
    return sample(image, y, x, sampling=sampling, fill=fill)


def sample(image: Array, y: Array, x: Array, *, sampling: str, fill: float) -> Array:
    """Images `[b h w c]` read at positions `[b p q]` in pixels, as `affine` does."""
    source = image.astype(x.dtype) - fill
    if sampling == "nearest":
        out = _read(source, jnp.round(y), jnp.round(x))
    else:
        top, left = jnp.floor(y), jnp.floor(x)
        down, right = (y - top)[..., None], (x - left)[..., None]
        out = sum(
            _read(source, top + i, left + j)
            * (down if i else 1.0 - down)
            * (right if j else 1.0 - right)
            for i in (0, 1)
            for j in (0, 1)
        )
    return (out + fill).astype(image.dtype)


def _read(image: Array, y: Array, x: Array) -> Array:
    """Pixels at whole positions `[b p q]`; zero outside."""
    batch, height, width, channels = image.shape
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    place = jnp.clip(y, 0, height - 1) * width + jnp.clip(x, 0, width - 1)
    place = place.astype(jnp.int32).reshape(batch, -1)
    flat = image.reshape(batch, height * width, channels)
    pixels = jax.vmap(lambda pixel, index: pixel[index])(flat, place)
    return jnp.where(inside[..., None], pixels.reshape(*y.shape, channels), 0.0)


def affine_matrix(
    *, degrees=0.0, translate=(0.0, 0.0), scale=1.0, shear=(0.0, 0.0)
) -> Float[Array, "... 2 3"]:
    """The matrix for `affine`: turn, shear and scale about the centre, then shift.

    Args:
      degrees: turn in degrees, clockwise as torchvision's `affine`; number or `[b]`.
      translate: shift of the picture in pixels (x to the right, y down), each a number
        or `[b]`.
      scale: number or `[b]`; above 1 enlarges the picture.
      shear: shear along x and y in degrees, each a number or `[b]`.

    Returns:
      `[2 3]` or `[b 2 3]`, mapping output offsets to input offsets.

    Example:
      >>> affine_matrix(translate=(3.0, 2.0))[:, 2].tolist()
      [-3.0, -2.0]

    Note:
      The forward map is scale * turn * [[1, -tx], [-ty, 1 + tx ty]] with tx, ty the
      tangents of the shears, as in torchvision; this returns its inverse.
    """
    values = jnp.broadcast_arrays(
        *(jnp.asarray(v, jnp.float32) for v in (degrees, scale, *shear, *translate))
    )
    angle, scale, shear_x, shear_y, shift_x, shift_y = values
    angle, shear_x, shear_y = (jnp.deg2rad(v) for v in (angle, shear_x, shear_y))
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    tan_x, tan_y = jnp.tan(shear_x), jnp.tan(shear_y)
    # The shear has determinant 1, so the inverse needs no division but by the scale.
    a = ((1 + tan_x * tan_y) * cos - tan_x * sin) / scale
    b = ((1 + tan_x * tan_y) * sin + tan_x * cos) / scale
    c = (tan_y * cos - sin) / scale
    d = (tan_y * sin + cos) / scale
    first = jnp.stack([a, b, -(a * shift_x + b * shift_y)], axis=-1)
    second = jnp.stack([c, d, -(c * shift_x + d * shift_y)], axis=-1)
    return jnp.stack([first, second], axis=-2)


def rotate(
    image: Float[Array, "b h w c"],
    degrees,
    *,
    sampling: str = "bilinear",
    fill: float = 0.0,
) -> Float[Array, "b h w c"]:
    """Turns images counter-clockwise about their centre, by any angle.

    Args:
      image: images, any number of channels.
      degrees: one number or one per image `[b]`.
      sampling: `bilinear` or `nearest`.
      fill: what lies outside the image.

    Returns:
      Images of the same shape.

    Raises:
      ValueError: for wrong images or sampling.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.arange(4.0).reshape(1, 2, 2, 1)
      >>> rotate(image, 90.0)[0, :, :, 0].round(4).tolist()
      [[1.0, 3.0], [0.0, 2.0]]
    """
    matrix = affine_matrix(degrees=-jnp.asarray(degrees))
    return affine(image, matrix, sampling=sampling, fill=fill)
