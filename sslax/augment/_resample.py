"""Crops and resizes as two small matrix products.

A separable antialiased resize is linear in rows and in columns. Its weights depend only
on the box of each image, so a batch of different crops is two batched matrix products,
which every accelerator does well; a flip only turns the weights round.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sslax.augment._layout import check_choice, check_image, from_rows, to_rows

METHODS = ("bicubic", "bilinear", "lanczos", "box", "bicubic_torch", "bicubic_tf1")


def _triangle(x: Array) -> Array:
    return jnp.maximum(0.0, 1.0 - x)


def _cubic(x: Array) -> Array:
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return jnp.where(x < 1.0, near, jnp.where(x < 2.0, far, 0.0))


def _lanczos(x: Array) -> Array:
    return jnp.where(x < 3.0, jnp.sinc(x) * jnp.sinc(x / 3.0), 0.0)


def _box(x: Array) -> Array:
    return (x <= 0.5).astype(x.dtype)


_KERNELS = {
    "bicubic": _cubic,
    "bilinear": _triangle,
    "lanczos": _lanczos,
    "box": _box,
}


def resample_weights(
    start: Array,
    length: Array,
    *,
    size_in: int,
    size_out: int,
    method: str,
    antialias: bool = True,
    flip: Array | None = None,
    inside: tuple[Array, Array] | None = None,
) -> Array:
    """Weights `[b out in]` that resize the interval `[start, start + length)`.

    Only pixels inside the interval have weight, and weights sum to 1: the result is
    that of cutting the interval out first. With wider bounds `inside`, it is that of
    resizing those and cutting the interval out of the result.

    Args:
      start: first pixel of the interval `[b]`.
      length: its length in pixels `[b]`.
      size_in: pixels of the source.
      size_out: pixels of the result.
      method: one of `METHODS`.
      antialias: widen the kernel when the interval is longer than the result.
      flip: turn the result round where true `[b]`.
      inside: first pixel and length `[b]` of what may have weight.

    Returns:
      Weights in the dtype of `start`.
    """
    if method in ("bicubic_torch", "bicubic_tf1"):
        return _repeated_edge(start, length, size_in, size_out, method, flip)
    dtype = start.dtype
    first, extent = (start, length) if inside is None else inside
    start, length = start[:, None], length[:, None]
    scale = length / size_out
    target = jnp.arange(size_out, dtype=dtype)[None, :]
    if flip is not None:
        target = jnp.where(flip[:, None], size_out - 1.0 - target, target)
    centre = start + (target + 0.5) * scale - 0.5
    width = jnp.maximum(scale, 1.0) if antialias else jnp.ones_like(scale)
    source = jnp.arange(size_in, dtype=dtype)
    distance = jnp.abs(source[None, None, :] - centre[:, :, None]) / width[:, :, None]
    first, end = first[:, None] - 0.5, (first + extent)[:, None] - 0.5
    valid = (source[None, :] > first) & (source[None, :] < end)
    weights = jnp.where(valid[:, None, :], _KERNELS[method](distance), 0.0)
    total = jnp.sum(weights, axis=2, keepdims=True)
    return weights / jnp.where(jnp.abs(total) > 1e-6, total, 1.0)


def _repeated_edge(start, length, size_in, size_out, method, flip) -> Array:
    """Four taps of the cubic with a = -0.75, the edge repeated, not antialiased."""
    scale = (length / size_out)[:, None]
    target = jnp.arange(size_out, dtype=start.dtype)[None, :]
    if flip is not None:
        target = jnp.where(flip[:, None], size_out - 1.0 - target, target)
    half = 0.5 if method == "bicubic_torch" else 0.0
    centre = (target + half) * scale - half
    below = jnp.floor(centre)
    source = jnp.arange(size_in, dtype=start.dtype)[None, None, :]
    weights = jnp.zeros((*centre.shape, size_in), start.dtype)
    for tap in (-1.0, 0.0, 1.0, 2.0):
        x = jnp.abs(below + tap - centre)
        near = (1.25 * x - 2.25) * x * x + 1.0
        far = ((-0.75 * x + 3.75) * x - 6.0) * x + 3.0
        value = jnp.where(x <= 1.0, near, far)
        place = jnp.clip(below + tap, 0.0, length[:, None] - 1.0) + start[:, None]
        weights += jnp.where(place[..., None] == source, value[..., None], 0.0)
    return weights


def multiply(equation: str, *arrays: Array) -> Array:
    """A matrix product in full float precision, also where bfloat16 is the default."""
    return jnp.einsum(equation, *arrays, precision=jax.lax.Precision.HIGHEST)


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


def crop_rows(
    rows: Array,
    box: Array,
    *,
    size: tuple[int, int],
    method: str,
    antialias=True,
    flip=None,
) -> Array:
    """Rows of the boxes `[b 4]`, resized."""
    box = box.astype(rows.dtype)
    options = {"method": method, "antialias": antialias}
    vertical = resample_weights(
        box[:, 0], box[:, 2], size_in=rows.shape[1], size_out=size[0], **options
    )
    horizontal = resample_weights(
        box[:, 1],
        box[:, 3],
        size_in=rows.shape[3],
        size_out=size[1],
        flip=flip,
        **options,
    )
    return filter_rows(rows, vertical, horizontal)


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
    outside the box never leak in. Done as two batched matrix products.

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
    check_choice(method, METHODS, "method")
    box = jnp.asarray(box)
    check_boxes(box, image.shape[0])
    out = crop_rows(
        to_rows(image),
        box,
        size=pair(size),
        method=method,
        antialias=antialias,
        flip=flip,
    )
    return from_rows(out, image.dtype)


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
