"""Hue, saturation and value without branches."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.augment._layout import check_image, from_rows, per_image, to_rows


def _split(rows: Array) -> tuple[Array, Array, Array]:
    return rows[:, :, 0:1], rows[:, :, 1:2], rows[:, :, 2:3]


def hue_chroma_value(rows: Array) -> tuple[Array, Array, Array]:
    """Hue in turns, chroma (max - min) and value (max) of rows, each `[b h 1 w]`.

    Ties go to red, then green; grey has hue 0.
    """
    r, g, b = _split(rows)
    value = jnp.maximum(jnp.maximum(r, g), b)
    chroma = value - jnp.minimum(jnp.minimum(r, g), b)
    over = 1.0 / jnp.where(chroma > 0, chroma, 1.0)
    # Orders, not equality with `value`: a compiler may compute that one twice and round
    # it otherwise. Near a tie both sides give the same hue.
    red, green = (r >= g) & (r >= b), g >= b
    numerator = jnp.where(red, g - b, jnp.where(green, b - r, r - g))
    sector = jnp.where(red, 0.0, jnp.where(green, 2.0, 4.0)).astype(rows.dtype)
    hue = (sector + numerator * over) / 6.0
    return jnp.where(chroma > 0, hue - jnp.floor(hue), 0.0), chroma, value


def paint(hue: Array, chroma: Array, value: Array) -> Array:
    """Rows `[b h 3 w]` from hue in turns, chroma and value, each `[b h 1 w]`.

    Each channel is `value - chroma * clip(min(k, 4 - k), 0, 1)` with
    `k = (n + 6 hue) mod 6` and n = 5, 3, 1 for red, green, blue: piecewise linear, the
    same as the six cases of the usual table.
    """
    # One formula over a channel axis is one fused loop; three planes put together are
    # slower by a factor of almost three on CPU.
    turn = jnp.asarray([5.0, 3.0, 1.0], hue.dtype)[None, None, :, None] / 6.0
    k = turn + hue
    k = 6.0 * (k - jnp.floor(k))
    return value - chroma * jnp.clip(jnp.minimum(k, 4.0 - k), 0.0, 1.0)


def adjust_hsv(rows: Array, shift: Array, factor: Array | None) -> Array:
    """Shifts the hue by turns and multiplies the saturation (clipped to 1)."""
    hue, chroma, value = hue_chroma_value(rows)
    if factor is not None:
        chroma = jnp.clip(chroma * factor, 0.0, value)
    return paint(hue + shift, chroma, value)


def rgb_to_hsv(image: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Converts RGB to hue, saturation, value.

    Args:
      image: RGB images in [0, 1].

    Returns:
      Hue in turns [0, 1), saturation and value in [0, 1]. Grey pixels have hue and
      saturation 0; ties of the largest channel go to red, then green.

    Raises:
      ValueError: if the images are not float `[b h w 3]`.

    Example:
      >>> import jax.numpy as jnp
      >>> print(rgb_to_hsv(jnp.array([[[[0.0, 0.5, 0.0]]]]))[0, 0, 0].round(3))
      [0.333 1.    0.5  ]

    References:
      Smith, Color Gamut Transform Pairs, 1978 (the hexcone model).
    """
    check_image(image, channels=(3,))
    hue, chroma, value = hue_chroma_value(to_rows(image))
    saturation = chroma / jnp.where(value > 0, value, 1.0)
    return from_rows(jnp.concatenate([hue, saturation, value], axis=2), image.dtype)


def hsv_to_rgb(hsv: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Converts hue, saturation, value to RGB; the inverse of `rgb_to_hsv`.

    Args:
      hsv: hue in turns (taken modulo 1), saturation and value in [0, 1].

    Returns:
      RGB images in [0, 1].

    Raises:
      ValueError: if the input is not float `[b h w 3]`.

    Example:
      >>> import jax.numpy as jnp
      >>> hsv_to_rgb(jnp.array([[[[0.0, 1.0, 0.5]]]])).tolist()
      [[[[0.5, 0.0, 0.0]]]]

    References:
      Smith, Color Gamut Transform Pairs, 1978 (the hexcone model).
    """
    check_image(hsv, channels=(3,))
    hue, saturation, value = _split(to_rows(hsv))
    return from_rows(paint(hue, saturation * value, value), hsv.dtype)


def shift_hue(rows: Array, shift) -> Array:
    """Rows with their hue shifted by turns, one shift per image."""
    return adjust_hsv(rows, per_image(shift, rows), None)
