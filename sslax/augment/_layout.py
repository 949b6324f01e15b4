"""What image functions share: checks of their input, and the layout they compute in.

Public functions take `[b h w c]`. Inside, images are *rows* `[b h c w]`: every colour
plane is contiguous along a row, so that colour arithmetic runs over whole vectors. What
treats height and width alike takes *columns* `[b w c h]` just as well: crops make them.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array

Range = Sequence[float | int]  # low and high, or one number per operation
GREY_WEIGHTS = (0.2989, 0.587, 0.114)


def check_image(image: Array, *, channels: tuple[int, ...] | None = None) -> None:
    """Raises if this is not a batch of float images in [0, 1]."""
    if image.ndim != 4:
        raise ValueError(
            f"expected images [b h w c], got shape {tuple(image.shape)}"
            + ("; add a batch axis with image[None]" if image.ndim == 3 else "")
        )
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(
            f"expected float images in [0, 1], got {image.dtype}; "
            "call sslax.augment.to_float first"
        )
    if channels is not None and image.shape[-1] not in channels:
        raise ValueError(
            f"expected {' or '.join(map(str, channels))} channels in the last axis, "
            f"got shape {tuple(image.shape)}"
        )
    if image.size and not isinstance(image, jax.core.Tracer):
        # A concrete image may be met while something else is traced.
        with jax.ensure_compile_time_eval():
            largest = float(jnp.max(jnp.abs(image)))
        if largest > 16.0:
            raise ValueError(
                f"expected values in [0, 1], got a value of size {largest:g}; "
                "divide by 255 first"
            )


def compute_dtype(dtype) -> jnp.dtype:
    """The dtype to compute in: at least float32, float64 stays."""
    return jnp.promote_types(dtype, jnp.float32)


def to_rows(image: Array) -> Array:
    """`[b h w c]` to rows `[b h c w]`, at least float32."""
    return image.transpose(0, 1, 3, 2).astype(compute_dtype(image.dtype))


def from_rows(rows: Array, dtype) -> Array:
    """Rows `[b h c w]` to `[b h w c]`."""
    return rows.transpose(0, 1, 3, 2).astype(dtype)


def from_columns(columns: Array, dtype) -> Array:
    """Columns `[b w c h]`, rows with both sides exchanged, to `[b h w c]`."""
    return columns.transpose(0, 3, 1, 2).astype(dtype)


def per_image(value, rows: Array) -> Array:
    """A scalar or `[b]` parameter as `[b 1 1 1]`, in the dtype of the rows."""
    value = jnp.asarray(value)
    if value.dtype != jnp.bool_:
        value = value.astype(rows.dtype)
    batch = rows.shape[0]
    if value.ndim > 1 or (value.ndim == 1 and value.shape[0] != batch):
        raise ValueError(
            f"expected one value or one per image ({batch},), "
            f"got shape {tuple(value.shape)}"
        )
    return jnp.broadcast_to(value, (batch,))[:, None, None, None]


def grey_rows(rows: Array) -> Array:
    """Luma `[b h 1 w]` of rows; one-channel rows are their own luma."""
    if rows.shape[2] == 1:
        return rows
    r, g, b = (rows[:, :, i : i + 1] for i in range(3))
    return GREY_WEIGHTS[0] * r + GREY_WEIGHTS[1] * g + GREY_WEIGHTS[2] * b
