"""Context prediction: labels of neighbours, and what hides the shortcuts."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sslax.arrays import at_least_float32
from sslax.augment._kernels import resample_weights
from sslax.augment._layout import check_image, compute_dtype, from_rows, to_rows
from sslax.augment._resample import filter_rows

# Rows and columns of the eight neighbours in raster order, the centre skipped.
NEIGHBOURS = np.array(
    [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)], np.int32
)


def neighbour_label(offset: Int[Array, "n 2"]) -> Int[Array, " n"]:
    """The label of where a second patch lies around a first.

    Args:
      offset: int `[n 2]`: column and row (dx to the right, dy down) of the second patch
        relative to the first, each -1, 0 or 1, not both 0.

    Returns:
      int32 labels 0..7 in raster order; l and 7 - l lie opposite.

    Example:
      >>> import jax.numpy as jnp
      >>> neighbour_label(jnp.array([[-1, -1], [1, 0]])).tolist()
      [0, 4]

    References:
      Doersch et al., Unsupervised Visual Representation Learning by Context Prediction,
      2015, arXiv:1505.05192, figure 2.
    """
    place = (offset[:, 1] + 1) * 3 + offset[:, 0] + 1
    return (place - (place > 4)).astype(jnp.int32)


def grid_pairs(*, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of neighbours of a grid of patches, in both orders, with labels.

    Args:
      rows: of the grid.
      columns: of the grid.

    Returns:
      int32 pairs `[n 2]` of patch numbers in raster order, and int32 labels `[n]` of
      the second around the first.

    Example:
      >>> pairs, labels = grid_pairs(rows=1, columns=2)
      >>> pairs.tolist(), labels.tolist()
      ([[0, 1], [1, 0]], [4, 3])

    References:
      Doersch et al., Unsupervised Visual Representation Learning by Context Prediction,
      2015, arXiv:1505.05192, section 3.1.
    """
    pairs, labels = [], []
    for cell in range(rows * columns):
        for label, (dy, dx) in enumerate(NEIGHBOURS):
            y, x = cell // columns + dy, cell % columns + dx
            if 0 <= y < rows and 0 <= x < columns:
                pairs.append((cell, y * columns + x))
                labels.append(label)
    return np.array(pairs, np.int32).reshape(-1, 2), np.array(labels, np.int32)


def drop_colours(
    image: Float[Array, "b h w c"], channel: Int[Array, " b"], noise: Array
) -> Float[Array, "b h w c"]:
    """Keeps one colour channel, its mean removed, and puts noise in the others.

    Args:
      image: images in [0, 1] of three channels.
      channel: which channel each image keeps, int `[b]`.
      noise: `[b h w 3]`, what the others become.

    Returns:
      Images about 0.

    Raises:
      ValueError: if the images are not float `[b h w 3]`.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.array([0.1, 0.5, 0.2, 0.3, 0.5, 0.2]).reshape(1, 2, 1, 3)
      >>> out = drop_colours(image, jnp.array([0]), jnp.zeros((1, 2, 1, 3)))
      >>> [round(v, 3) for v in out.ravel().tolist()]
      [-0.1, 0.0, 0.0, 0.1, 0.0, 0.0]

    References:
      Doersch et al., Unsupervised Visual Representation Learning by Context Prediction,
      2015, arXiv:1505.05192, section 3.1.
    """
    check_image(image, channels=(3,))
    centred = image - jnp.mean(image, axis=(1, 2), keepdims=True)
    kept = channel[:, None, None, None] == jnp.arange(3)[None, None, None]
    return jnp.where(kept, centred, noise.astype(image.dtype))


def project_colours(image: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Removes the green-magenta axis, along which lenses shift colours.

    Args:
      image: images of three channels.

    Returns:
      Images without their part along (-1, 2, -1).

    Raises:
      ValueError: if the images are not float `[b h w 3]`.

    Example:
      >>> import jax.numpy as jnp
      >>> out = project_colours(jnp.array([[[[-1.0, 2.0, -1.0]]]]))
      >>> abs(out).max().item() < 1e-6
      True

    References:
      Doersch et al., Unsupervised Visual Representation Learning by Context Prediction,
      2015, arXiv:1505.05192, section 3.1.
    """
    check_image(image, channels=(3,))
    axis = jnp.array([-1.0, 2.0, -1.0], compute_dtype(image.dtype))[None, None, None]
    part = jnp.sum(image * axis, axis=-1, keepdims=True) / 6.0
    return (image - part * axis).astype(image.dtype)


def low_resolution(image: Float[Array, "b h w c"], side) -> Float[Array, "b h w c"]:
    """Shrinks each square image to a side of its own and enlarges it again.

    Args:
      image: square images.
      side: number of pixels of the small side, one per image `[b]`, at most the side;
        a fraction counts as a whole pixel more.

    Returns:
      Images of the same shape with less detail.

    Raises:
      ValueError: for images that are not square.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.array([0.0, 1.0, 0.0, 1.0]).reshape(1, 2, 2, 1)
      >>> low_resolution(image, jnp.array([1.0])).ravel().tolist()
      [0.5, 0.5, 0.5, 0.5]

    References:
      Doersch et al., Unsupervised Visual Representation Learning by Context Prediction,
      2015, arXiv:1505.05192, section 3.1: down to 100 pixels in all.
    """
    check_image(image)
    if image.shape[1] != image.shape[2]:
        raise ValueError(f"expected square images, got {tuple(image.shape)}")
    rows, full = to_rows(image), image.shape[1]
    side = jnp.ceil(jnp.broadcast_to(jnp.asarray(side), (image.shape[0],)))
    side = jnp.clip(side.astype(rows.dtype), 1.0, full)
    zero, all_of_it = jnp.zeros_like(side), jnp.full_like(side, full)
    options = {"size_in": full, "size_out": full, "method": "bilinear"}
    # The first `side` rows of these weights shrink; rows beyond are never read.
    step = full / side
    down = resample_weights(zero, step * full, inside=(zero, all_of_it), **options)
    up = resample_weights(zero, side, **options)
    both = jnp.einsum("bij,bjk->bik", up, down, precision="highest")
    return from_rows(filter_rows(rows, both, both), image.dtype)


def contrast_normalize(
    patches: Float[Array, "b h w c"], *, level: float = 50.0
) -> Float[Array, "b h w c"]:
    """Scales each patch to a root mean square.

    Args:
      patches: patches, their mean removed.
      level: the root mean square they get.

    Returns:
      Patches; zero patches stay zero.

    Example:
      >>> import jax.numpy as jnp
      >>> contrast_normalize(jnp.full((1, 1, 2, 1), 0.5), level=2.0).ravel().tolist()
      [2.0, 2.0]

    References:
      Doersch et al., Unsupervised Visual Representation Learning by Context Prediction,
      2015, arXiv:1505.05192, the released code.
    """
    x = at_least_float32(patches)
    square = jnp.mean(x**2, axis=(1, 2, 3), keepdims=True)
    some = square > 1e-12
    scale = jnp.where(some, level / jnp.sqrt(jnp.where(some, square, 1.0)), 0.0)
    return (x * scale).astype(patches.dtype)
