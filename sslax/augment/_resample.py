"""Crops and resizes as two passes of small matrix products.

A separable antialiased resize is linear in rows and in columns. Its weights depend only
on the box of each image, so a batch of different crops is two batched matrix products,
which every accelerator does well; a flip only turns the weights round. Both passes go
along the axis after the batch, so that what they read is contiguous; in between, rows
and columns change places.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sslax.augment._bands import resample
from sslax.augment._kernels import METHODS, multiply
from sslax.augment._layout import (
    check_image,
    compute_dtype,
    from_columns,
)
from sslax.checks import check_choice


def filter_rows(rows: Array, vertical: Array, horizontal: Array) -> Array:
    """Rows `[b h c w]` by weights `[b o h]` and `[b p w]`: rows `[b o c p]`."""
    batch, height, channels, width = rows.shape
    across = horizontal.shape[1]
    flat = rows.reshape(batch, height * channels, width)
    turned = horizontal.transpose(0, 2, 1)
    wide = multiply("bkw,bwp->bkp", flat, turned)
    wide = wide.reshape(batch, height, channels * across)
    tall = multiply("boh,bhk->bok", vertical, wide)
    return tall.reshape(batch, -1, channels, across)


def pair(size) -> tuple[int, int]:
    """A size as (height, width)."""
    height, width = (size, size) if isinstance(size, int | np.integer) else size
    if height < 1 or width < 1:
        raise ValueError(f"size must be positive, got {size}")
    return int(height), int(width)


def check_boxes(box: Array, batch: int) -> None:
    """Raises unless these are boxes `[b 4]`."""
    if box.shape != (batch, 4):
        raise ValueError(
            f"expected boxes ({batch}, 4) as (top, left, height, width) in pixels, "
            f"got shape {tuple(box.shape)}"
        )


def crop_columns(
    image: Array,
    box: Array,
    *,
    size: tuple[int, int],
    method: str,
    antialias=True,
    flip=None,
) -> Array:
    """Columns `[b w c h]` of the boxes `[b 4]` of images `[b h w c]`, resized."""
    batch, height, width, channels = image.shape
    box = box.astype(compute_dtype(image.dtype))
    options = {"method": method, "antialias": antialias}
    lines = image.reshape(batch, height, width * channels)
    lines = resample(lines, box[:, 0], box[:, 2], size_out=size[0], **options)
    lines = lines.reshape(batch, size[0], width, channels).transpose(0, 2, 3, 1)
    lines = lines.reshape(batch, width, channels * size[0])
    lines = resample(
        lines, box[:, 1], box[:, 3], size_out=size[1], flip=flip, **options
    )
    return lines.reshape(batch, size[1], channels, size[0])


def crop_resize(
    image: Float[Array, "b h w c"],
    box: Array,
    *,
    size,
    method: str = "bicubic",
    antialias: bool = True,
    flip: Array | None = None,
) -> Float[Array, "b p q c"]:
    """Cuts a box out of each image and resizes it, antialiased.

    Equal to cutting the box out and resizing the piece with `jax.image.resize`: pixels
    outside the box never leak in. Done as two passes of batched matrix products.

    Args:
      image: images `[b h w c]`, any number of channels.
      box: `[b 4]`: top, left, height and width of each box in pixels, inside the image.
      size: result size: one integer or (height, width).
      method: `bicubic` (Keys, a = -0.5), `bilinear`, `lanczos` (3 lobes) or `box`;
        `bicubic_torch` (a = -0.75, the edge repeated, never antialiased) and
        `bicubic_tf1` (the same without half-pixel centres).
      antialias: widen the kernel where a box is larger than the result.
      flip: mirror the result left to right, per image `[b]`; None for none.

    Returns:
      Images `[b size size c]`. Bicubic and lanczos can leave [0, 1]: clip.

    Raises:
      ValueError: for wrong images, boxes, size or method.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.arange(16.0).reshape(1, 4, 4, 1) / 16
      >>> box = jnp.array([[1, 1, 2, 2]])
      >>> (crop_resize(image, box, size=1, method="bilinear") * 16).item()
      7.5

    Note:
      Pillow, torchvision (antialias) and JAX agree on these weights. Without antialias
      torch uses a = -0.75 for bicubic, JAX and TensorFlow 2 a = -0.5 as here.

    References:
      Keys, Cubic Convolution Interpolation for Digital Image Processing, 1981.
    """
    check_image(image)
    check_choice(METHODS, method=method)
    box = jnp.asarray(box)
    check_boxes(box, image.shape[0])
    out = crop_columns(
        image,
        box,
        size=pair(size),
        method=method,
        antialias=antialias,
        flip=flip,
    )
    return from_columns(out, image.dtype)


def whole_box(image: Array) -> Float[Array, "b 4"]:
    """The box that is all of each image: top, left, height and width.

    Args:
      image: images `[b h w c]`.

    Returns:
      float32 boxes `[b 4]`.

    Example:
      >>> import jax.numpy as jnp
      >>> whole_box(jnp.ones((1, 6, 8, 3))).tolist()
      [[0.0, 0.0, 6.0, 8.0]]
    """
    batch, height, width = image.shape[:3]
    return jnp.broadcast_to(jnp.array([0.0, 0.0, height, width]), (batch, 4))


def resize(
    image: Float[Array, "b h w c"],
    *,
    size,
    method: str = "bicubic",
    antialias: bool = True,
) -> Float[Array, "b p q c"]:
    """Resizes images, antialiased: `crop_resize` of the whole image.

    Args:
      image: images `[b h w c]`.
      size: result size: one integer or (height, width).
      method: `bicubic`, `bilinear`, `lanczos` or `box`.
      antialias: widen the kernel when shrinking.

    Returns:
      Images `[b size size c]`; bicubic and lanczos can leave [0, 1].

    Raises:
      ValueError: for wrong images, size or method.

    Example:
      >>> import jax.numpy as jnp
      >>> resize(jnp.ones((1, 6, 6, 3)), size=(2, 3)).shape
      (1, 2, 3, 3)

    References:
      Keys, Cubic Convolution Interpolation for Digital Image Processing, 1981.
    """
    check_image(image)
    return crop_resize(
        image, whole_box(image), size=size, method=method, antialias=antialias
    )
