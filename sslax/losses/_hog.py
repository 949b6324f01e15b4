"""Histograms of oriented gradients, as targets of masked image modelling."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32, unit
from sslax.checks import check_rank


def hog(
    images: Float[Array, "b h w c"],
    *,
    bins: int = 9,
    cell: int = 8,
    window: int | None = None,
) -> Float[Array, "b gh gw d"]:
    """Histograms of oriented gradients per cell and channel, as MIM targets.

    y = u / ||u||, u_k = mean_{pixels of the cell} [bin = k] w sqrt(gx^2 + gy^2)

    The bin is floor(bins a / pi), with a = atan2(gx, gy) modulo pi. gx (left minus
    right) and gy (above minus below) are Sobel responses on the image with reflected
    borders. Bins are hard and unsigned. LocalMIM has no window, w = 1; MaskFeat weights
    by Gaussian windows.

    Args:
      images: `[b h w c]`; LocalMIM and MaskFeat give images normalised by the mean and
        the deviation of ImageNet.
      bins: directions in a half turn: 9, or 18 for LocalMIM's large models.
      cell: side of a cell in pixels: 8 in MaskFeat; 4, 8, 16, 32 in LocalMIM.
      window: side in pixels of MaskFeat's Gaussian windows (16 there), of deviation
        window // 2 and laid over the image as tiles; None for no window.

    Returns:
      `[b h/cell w/cell c*bins]`, the channel slow and the bin fast. The histogram of a
      channel has length 1, or is 0 where the cell is constant.

    Raises:
      ValueError: if the cell or the window does not divide the image, or there is no
        bin, or a side has fewer than 2 pixels.

    Example:
      >>> import jax.numpy as jnp
      >>> ramp = jnp.broadcast_to(jnp.arange(8.0)[:, None, None], (1, 8, 8, 1))
      >>> hog(ramp, bins=3, cell=8).ravel().tolist()
      [1.0, 0.0, 0.0]

    Note:
      The official codes disagree with one another in the window only: LocalMIM averages
      over the cell and MaskFeat sums, which the normalisation removes. Reflection makes
      a response exactly 0 on every border pixel, which is exactly on the edge of a bin.
      The responses are differences of slices, and the bins are found by signs instead
      of an arc tangent, so that such pixels fall on the edge's upper side, as there.

    References:
      Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", 2005.
      Wei et al., "Masked Feature Prediction for Self-Supervised Visual Pre-Training",
      2021, arXiv:2112.09133, section 3.
      Wang et al., "Masked Image Modeling with Local Multi-Scale Reconstruction", 2023,
      arXiv:2303.05251, section 3.
    """
    check_rank(4, images=images)
    _check_sizes(images.shape, bins, cell, window)
    images = at_least_float32(images)
    b, h, w, c = images.shape
    gx, gy = _sobel(images)
    square = gx * gx + gy * gy
    flat = square == 0
    length = jnp.where(flat, 0, jnp.sqrt(jnp.where(flat, 1, square)))
    if window is not None:
        tiles = np.tile(_gaussian(window), (h // window, w // window))
        length = length * jnp.asarray(tiles, length.dtype)[None, :, :, None]
    one_hot = jax.nn.one_hot(_direction(gx, gy, bins), bins, dtype=length.dtype)
    votes = (length[..., None] * one_hot).reshape(
        (b, h // cell, cell, w // cell, cell, c, bins)
    )
    histogram = unit(jnp.mean(votes, axis=(2, 4)))
    return histogram.reshape((b, h // cell, w // cell, c * bins))


def _sobel(x: Array) -> tuple[Array, Array]:
    """The responses along columns and rows; differences first, so that 0 stays 0."""
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    across = x[:, :, :-2] - x[:, :, 2:]
    along = x[:, :-2] - x[:, 2:]
    gx = across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:]
    gy = along[:, :, :-2] + 2 * along[:, :, 1:-1] + along[:, :, 2:]
    return gx, gy


def _direction(gx: Array, gy: Array, bins: int) -> Array:
    """The bin of each gradient: how many edges of bins its direction has passed."""
    back = (gx < 0) | ((gx == 0) & (gy < 0))
    gx, gy = jnp.where(back, -gx, gx), jnp.where(back, -gy, gy)
    edges = np.arange(1, bins) * np.pi / bins
    cosines, sines = np.cos(edges), np.sin(edges)
    cosines[2 * np.arange(1, bins) == bins] = 0.0
    passed = [
        gx * cosine >= gy * sine for cosine, sine in zip(cosines, sines, strict=True)
    ]
    return sum((p.astype(jnp.int32) for p in passed), jnp.zeros(gx.shape, jnp.int32))


def _gaussian(side: int) -> np.ndarray:
    offset = (np.arange(side) - (side - 1) / 2) / (side // 2)
    bell = np.exp(-0.5 * offset**2)
    grid = bell[:, None] * bell[None, :]
    return grid / grid.sum()


def _check_sizes(
    shape: tuple[int, ...], bins: int, cell: int, window: int | None
) -> None:
    _, h, w, _ = shape
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, got {bins}")
    if min(h, w) < 2:
        raise ValueError(f"images must have 2 or more pixels a side, got shape {shape}")
    if cell < 1 or h % cell or w % cell:
        raise ValueError(f"cells of {cell} pixels do not divide images of {h} x {w}")
    if window is not None and (window < 2 or h % window or w % window):
        raise ValueError(
            f"windows of {window} pixels (2 or more) do not divide images of {h} x {w}"
        )
