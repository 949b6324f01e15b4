"""Pictures on a canvas: what is computed must not see the border of the two."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array


def spread(image: Array, box: Array | None) -> Array:
    """The picture of every box `[b 4]` over the whole canvas; nothing without boxes."""
    if box is None:
        return image
    rows, columns = (
        start + (jnp.arange(n)[None] + 0.5) * length / n
        for n, start, length in _sides(image, box)
    )
    return _taken(image, rows, columns)


def placed(image: Array, box: Array | None) -> Array:
    """The inverse of `spread`; around the box its border goes on."""
    if box is None:
        return image
    rows, columns = (
        (jnp.arange(n)[None] + 0.5 - start) * n / length
        for n, start, length in _sides(image, box)
    )
    return _taken(image, rows, columns)


def filled(image: Array, box: Array | None) -> Array:
    """The picture, with its border going on over the rest of the canvas."""
    if box is None:
        return image
    rows, columns = (
        jnp.clip(jnp.arange(n)[None] + 0.5, start + 0.5, start + length - 0.5)
        for n, start, length in _sides(image, box)
    )
    return _taken(image, rows, columns)


def _sides(image: Array, box: Array) -> list[tuple[int, Array, Array]]:
    """Length of the canvas, start and length of the box `[b 1]`, down and across."""
    box = box.astype(jnp.float32)
    return [(image.shape[1 + i], box[:, i, None], box[:, 2 + i, None]) for i in (0, 1)]


def _taken(image: Array, rows: Array, columns: Array) -> Array:
    """The pixels in which the places rows `[b h]` and columns `[b w]` lie."""
    height, width = image.shape[1:3]
    rows = jnp.clip(jnp.floor(rows).astype(jnp.int32), 0, height - 1)
    columns = jnp.clip(jnp.floor(columns).astype(jnp.int32), 0, width - 1)
    return jax.vmap(lambda x, y, z: x[y][:, z])(image, rows, columns)
