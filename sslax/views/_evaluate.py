"""The deterministic view of evaluation."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array

from sslax.augment import to_float, whole_box
from sslax.augment.parts import (
    METHODS,
    filter_rows,
    from_rows,
    resample_weights,
    to_rows,
)
from sslax.checks import check_choice
from sslax.kinds import View


def center(
    *,
    size: int,
    resize_to: int | None = None,
    fraction: float | None = None,
    resize: str = "bicubic",
) -> View:
    """The centre of every image, for evaluation; the key is ignored.

    It stands where `view` does: `one_view(view=center(size=224))` is what most methods
    are evaluated on, and any other builder takes it too.

    The short side of the valid box is resized to `resize_to` and the centre of `size`
    pixels is cut out; or, with `fraction`, the centre square of that part of the short
    side is cut out and resized. Images that are `size` pixels and fill their canvas
    pass as they are.

    Args:
      size: side of the result in pixels.
      resize_to: the short side before the cut, such as 256 for 224; None is `size`.
      fraction: part of the short side to keep, such as SimCLR's 0.875; None for the
        other way. Not both.
      resize: `bicubic`, `bilinear`, `lanczos` or `box`, antialiased.

    Returns:
      `(key, image [b h w c], box) -> view [b size size c]`.

    Raises:
      ValueError: if both ways are asked for, or a number or name makes no sense.

    Example:
      >>> import jax.numpy as jnp
      >>> make = center(size=224, resize_to=256)
      >>> make(None, jnp.ones((2, 300, 400, 3)), None).shape
      (2, 224, 224, 3)

    References:
      He et al., Deep Residual Learning for Image Recognition, 2015, arXiv:1512.03385,
      section 3.4 (10-crop testing; the single centre crop is its common form).
    """
    check_choice(METHODS, resize=resize)
    if resize_to is not None and fraction is not None:
        raise ValueError(
            f"give resize_to or fraction, not both: got {resize_to} and {fraction}"
        )
    if fraction is not None and not 0 < fraction <= 1:
        raise ValueError(f"fraction must be in (0, 1], got {fraction}")
    if resize_to is not None and resize_to < size:
        raise ValueError(f"resize_to {resize_to} is smaller than size {size}")

    def op(key, image, box=None):
        del key
        image = to_float(image)
        if box is not None or image.shape[1:3] != (size, size):
            box = whole_box(image) if box is None else box.astype(jnp.float32)
            image = _cut(image, box, size, resize_to, fraction, resize)
        return image

    return op


def _cut(image, box, size, resize_to, fraction, method) -> Array:
    top, left, height, width = box.T
    short = jnp.minimum(height, width)
    rows = to_rows(image)
    sides = []
    for start, length, size_in in (
        (top, height, rows.shape[1]),
        (left, width, rows.shape[3]),
    ):
        if fraction is not None:
            cut = jnp.round(short * fraction)
            begin = start + jnp.floor((length - cut + 1.0) / 2.0)
            inside = (begin, cut)
        else:
            target = size if resize_to is None else resize_to
            resized = jnp.floor(length * target / short + 1e-4)
            step = length / resized
            begin = start + jnp.round((resized - size) / 2.0) * step
            cut, inside = size * step, (start, length)
        weights = resample_weights(
            begin, cut, size_in=size_in, size_out=size, method=method, inside=inside
        )
        sides.append(weights)
    return from_rows(jnp.clip(filter_rows(rows, *sides), 0.0, 1.0), image.dtype)
