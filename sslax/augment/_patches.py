"""Images as sequences of patches, and back."""

from __future__ import annotations

import math

from jaxtyping import Array, Float

from sslax.augment._resample import pair


def grid_of(height: int, width: int, patch_size) -> tuple[int, int]:
    """Rows and columns of patches; an error if the patch size does not divide."""
    p, q = pair(patch_size)
    if height % p or width % q:
        common = math.gcd(height, width)
        near = [n for n in range(1, common + 1) if common % n == 0]
        nearest = min(near, key=lambda n: abs(n - p))
        raise ValueError(
            f"patch_size {patch_size} does not divide images of {height} x {width}; "
            f"the nearest that does is {nearest}"
        )
    return height // p, width // q


def patchify(image: Float[Array, "b h w c"], *, patch_size) -> Float[Array, "b n d"]:
    """Cuts images into patches, each a vector: rows, then columns, then channels.

    Args:
      image: images.
      patch_size: one integer or (height, width); must divide the image.

    Returns:
      Patches `[b n d]` in raster order, d = patch height * patch width * channels.

    Raises:
      ValueError: if the image is not `[b h w c]` or the patch size does not divide it.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.arange(16.0).reshape(1, 4, 4, 1)
      >>> patchify(image, patch_size=2)[0, 1].tolist()
      [2.0, 3.0, 6.0, 7.0]

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, section 3.
    """
    if image.ndim != 4:
        raise ValueError(f"expected images [b h w c], got shape {tuple(image.shape)}")
    batch, height, width, channels = image.shape
    p, q = pair(patch_size)
    rows, columns = grid_of(height, width, patch_size)
    x = image.reshape(batch, rows, p, columns, q, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(
        batch, rows * columns, p * q * channels
    )


def unpatchify(
    patches: Float[Array, "b n d"], *, patch_size, grid=None
) -> Float[Array, "b h w c"]:
    """Puts patches back together; the inverse of `patchify`.

    Args:
      patches: `[b n d]` in raster order.
      patch_size: one integer or (height, width).
      grid: (rows, columns) of patches; None for a square grid.

    Returns:
      Images `[b h w c]`.

    Raises:
      ValueError: if n is not rows * columns, or d is not a multiple of a patch.

    Example:
      >>> import jax.numpy as jnp
      >>> unpatchify(jnp.zeros((1, 4, 12)), patch_size=2).shape
      (1, 4, 4, 3)

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, section 3.
    """
    if patches.ndim != 3:
        raise ValueError(f"expected patches [b n d], got shape {tuple(patches.shape)}")
    batch, count, depth = patches.shape
    p, q = pair(patch_size)
    rows, columns = (round(count**0.5),) * 2 if grid is None else grid
    if rows * columns != count:
        raise ValueError(f"{count} patches do not make a grid of {rows} x {columns}")
    if depth % (p * q):
        raise ValueError(f"{depth} numbers a patch are no multiple of {p} x {q} pixels")
    x = patches.reshape(batch, rows, columns, p, q, depth // (p * q))
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows * p, columns * q, -1)
