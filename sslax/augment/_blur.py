"""Gaussian blur, one sigma per image, as products with narrow bands."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from sslax.augment._kernels import multiply
from sslax.augment._layout import (
    Range,
    check_image,
    from_rows,
    to_rows,
)
from sslax.checks import check_choice, check_probability

PADDINGS = ("reflect", "zero")
BLOCK = 64


def default_kernel(side: int) -> int:
    """The field's kernel: a tenth of the side, odd: 23 at 224, 9 at 96, 3 at 32."""
    return 2 * max(1, int(side / 20)) + 1


def taps(sigma: Array, kernel_size: int) -> Array:
    """Normalised Gaussian weights `[b k]`; sigma 0 leaves the middle one alone."""
    offset = jnp.arange(kernel_size) - kernel_size // 2
    offset = offset.astype(sigma.dtype)[None, :]
    sigma = sigma[:, None]
    safe = jnp.where(sigma > 0, sigma, 1.0)
    weights = jnp.exp(-0.5 * (offset / safe) ** 2)
    weights = jnp.where(sigma > 0, weights, (offset == 0).astype(sigma.dtype))
    return weights / jnp.sum(weights, axis=1, keepdims=True)


def band(weights: Array, *, block: int) -> Array:
    """Weights `[b block block+k-1]` of a filter with taps `[b k]` on one block."""
    kernel = weights.shape[1]
    shift = jnp.arange(block + kernel - 1)[None, :] - jnp.arange(block)[:, None]
    hits = shift[..., None] == jnp.arange(kernel)[None, None]
    return multiply("bk,ijk->bij", weights, hits.astype(weights.dtype))


@functools.partial(jax.jit, static_argnames=("kernel_size", "padding"), inline=True)
def blur_rows(rows: Array, sigma: Array, *, kernel_size: int, padding: str) -> Array:
    """Rows blurred by sigma `[b]`: shifted sums on CPU, elsewhere matrix products."""
    weights = taps(sigma.astype(rows.dtype), kernel_size)
    return jax.lax.platform_dependent(
        rows,
        weights,
        cpu=functools.partial(blur_by_shifts, padding=padding),
        default=functools.partial(blur_by_bands, padding=padding),
    )


def _around(rows: Array, axis: int, radius: int, padding: str) -> Array:
    size = rows.shape[axis]
    if padding == "reflect" or radius >= size:
        around = [(0, 0)] * 4
        around[axis] = (radius, radius)
        mode = "reflect" if padding == "reflect" else "constant"
        return jnp.pad(rows, around, mode=mode)
    # Zero times what is there: XLA would fold constants into the loop over taps, which
    # then costs three times as much.
    end = 0.0 * jax.lax.slice_in_dim(rows, 0, radius, axis=axis)
    return jnp.concatenate([end, rows, end], axis=axis)


def blur_by_shifts(rows: Array, weights: Array, *, padding: str) -> Array:
    """Rows blurred with taps `[b k]`: sums of shifted copies, a fused loop an axis."""
    rows = jax.lax.optimization_barrier(rows)  # or each copy is made anew
    middle = weights.shape[1] // 2
    taps = weights.T[:, :, None, None, None]
    for axis in (1, 3):
        size = rows.shape[axis]
        # Padding inside the loop over taps would cost more than the taps.
        wide = jax.lax.optimization_barrier(_around(rows, axis, middle, padding))
        shifted = [
            jax.lax.slice_in_dim(wide, i, i + size, axis=axis)
            for i in range(2 * middle + 1)
        ]
        rows = taps[middle] * shifted[middle]
        for i in range(1, middle + 1):
            rows += taps[middle + i] * (shifted[middle - i] + shifted[middle + i])
    return rows


def blur_by_bands(rows: Array, weights: Array, *, padding: str) -> Array:
    """Rows blurred with taps `[b k]` as matrix products.

    A whole line as one matrix product would be mostly zeros: a line is cut into blocks,
    each multiplied with the same narrow band.
    """
    return _along(_along(rows, weights, 3, padding), weights, 1, padding)


def _along(rows: Array, weights: Array, axis: int, padding: str) -> Array:
    size, radius = rows.shape[axis], weights.shape[1] // 2
    count = -(-size // BLOCK)
    block = -(-size // count)
    around = [(0, 0)] * 4
    around[axis] = (radius, radius)
    mode = "reflect" if padding == "reflect" else "constant"
    rows = jnp.pad(rows, around, mode=mode)
    around[axis] = (0, block * count - size)
    rows = jnp.pad(rows, around)
    matrix = band(weights, block=block)
    equation = "bij,bjcw->bicw" if axis == 1 else "bhcj,bij->bhci"
    out = []
    for start in range(0, block * count, block):
        piece = jax.lax.slice_in_dim(rows, start, start + block + 2 * radius, axis=axis)
        pair = (matrix, piece) if axis == 1 else (piece, matrix)
        out.append(multiply(equation, *pair))
    made = jnp.concatenate(out, axis=axis)
    return jax.lax.slice_in_dim(made, 0, size, axis=axis)


def check_blur(kernel_size: int, padding: str, sides: tuple[int, ...]) -> None:
    """Raises if the kernel is even, or too wide to be reflected."""
    check_choice(PADDINGS, padding=padding)
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd and positive, got {kernel_size}")
    if padding == "reflect" and kernel_size // 2 >= min(sides):
        raise ValueError(
            f"kernel_size {kernel_size} is too wide to be reflected in images of "
            f"{min(sides)} pixels; at most {2 * min(sides) - 1}"
        )


def gaussian_blur(
    image: Float[Array, "b h w c"],
    sigma,
    *,
    kernel_size: int | None = None,
    padding: str = "reflect",
) -> Float[Array, "b h w c"]:
    """Blurs images with a Gaussian that is cut off at the kernel and normalised.

    Args:
      image: images, any number of channels.
      sigma: standard deviation in pixels: one number or one per image `[b]`; 0 is the
        identity.
      kernel_size: odd number of taps; None is a tenth of the height made odd (23 at
        224 pixels, 9 at 96, 3 at 32).
      padding: `reflect` (torchvision, kornia; the edge is not repeated) or `zero`
        (SimCLR, BYOL).

    Returns:
      Images of the same shape.

    Raises:
      ValueError: for wrong images, an even kernel or one too wide to be reflected.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2].set(1.0)
      >>> print(gaussian_blur(image, 0.0, kernel_size=3)[0, 2, 1:4, 0])
      [0. 1. 0.]

    Note:
      Pillow's blur of radius sigma, which several PyTorch methods use, is an
      approximation by repeated box filters; at sigma 2 it is close to 23 taps.

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, appendix A.
    """
    check_image(image)
    kernel_size = default_kernel(image.shape[1]) if kernel_size is None else kernel_size
    check_blur(kernel_size, padding, image.shape[1:3])
    sigma = jnp.broadcast_to(jnp.asarray(sigma), (image.shape[0],))
    out = blur_rows(to_rows(image), sigma, kernel_size=kernel_size, padding=padding)
    return from_rows(out, image.dtype)


def draw_sigma(key: PRNGKeyArray, batch: int, sigma, probability: float) -> Array:
    """Sigmas `[b]` uniform in a range, 0 where the blur does not happen."""
    sigma_key, apply_key = jax.random.split(key)
    drawn = jax.random.uniform(sigma_key, (batch,), minval=sigma[0], maxval=sigma[1])
    return jnp.where(jax.random.bernoulli(apply_key, probability, (batch,)), drawn, 0.0)


def random_blur(
    key: PRNGKeyArray,
    image: Float[Array, "b h w c"],
    *,
    sigma: Range = (0.1, 2.0),
    probability: float = 0.5,
    kernel_size: int | None = None,
    padding: str = "reflect",
) -> Float[Array, "b h w c"]:
    """Blurs each image with a probability, by a sigma drawn per image.

    Args:
      key: a random key.
      image: images, any number of channels.
      sigma: range of the uniform standard deviation in pixels.
      probability: of blurring an image.
      kernel_size: as in `gaussian_blur`.
      padding: `reflect` or `zero`.

    Returns:
      Images of the same shape.

    Raises:
      ValueError: for wrong images, ranges, probability or kernel.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> random_blur(jax.random.key(0), jnp.ones((2, 32, 32, 3))).shape
      (2, 32, 32, 3)

    Note:
      SimCLR's released code draws one sigma for the whole batch and only the choice
      per image; here, as in the paper and in BYOL, sigma is drawn per image.

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, appendix A.
    """
    check_image(image)
    check_probability(probability=probability)
    if not 0 <= sigma[0] <= sigma[1]:
        raise ValueError(f"sigma must be a range 0 <= low <= high, got {sigma!r}")
    drawn = draw_sigma(key, image.shape[0], sigma, probability)
    return gaussian_blur(image, drawn, kernel_size=kernel_size, padding=padding)
