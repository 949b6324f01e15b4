"""Contrast and consistency between the pixels of feature maps."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from sslax.arrays import one_float_type, unit
from sslax.checks import check_positive, check_rank, check_same_shape, check_shape
from sslax.losses._numerics import logsumexp_but, similarity


def pixel_positives(
    box1: Float[Array, "b 4"],
    box2: Float[Array, "b 4"],
    *,
    size: tuple[int, int],
    ratio: ArrayLike = 0.7,
) -> Bool[Array, "b n n"]:
    """Which cells of two crops show nearly the same place of the image.

    value_ij = |centre1_i - centre2_j| / max(diagonal1, diagonal2) < ratio

    The positives of `pix_pro` and `pix_contrast`.

    Args:
      box1: (left, top, right, bottom) of the first crop in the image, in one unit for
        both axes' pixels (the official code: fractions of the image). A flipped crop
        has left and right exchanged.
      box2: the same of the second crop.
      size: rows and columns of the feature maps.
      ratio: largest distance in diagonals of the larger cell; the paper uses 0.7.

    Returns:
      For each image, cell of the first crop and cell of the second crop (both row by
      row), whether they are a positive pair.

    Raises:
      ValueError: if the boxes are not `[b 4]` or if the ratio is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> left, right = jnp.array([[0.0, 0, 2, 2]]), jnp.array([[1.0, 0, 3, 2]])
      >>> pixel_positives(left, right, size=(1, 2), ratio=0.3)[0].tolist()
      [[False, False], [True, False]]

    References:
      Xie et al., "Propagate Yourself: Exploring Pixel-Level Consistency for
      Unsupervised Visual Representation Learning", 2020, arXiv:2011.10043, equation 1.
    """
    check_same_shape(box1=box1, box2=box2)
    check_shape((jnp.shape(box1)[0], 4), box1=box1)
    check_positive(ratio=ratio)
    box1, box2 = one_float_type(box1, box2)
    (x1, y1, diagonal1), (x2, y2, diagonal2) = _cells(box1, size), _cells(box2, size)
    across = x1[:, :, None] - x2[:, None, :]
    down = y1[:, :, None] - y2[:, None, :]
    diagonal = jnp.maximum(diagonal1, diagonal2)[:, None, None]
    return across**2 + down**2 < (ratio * diagonal) ** 2


def pixel_propagation(
    features: Float[Array, "b h w d"],
    values: Float[Array, "b h w e"],
    *,
    power: float | int = 2.0,
    floor: ArrayLike = 0.0,
) -> Float[Array, "b h w e"]:
    """PixPro's smoothing: every cell gathers the values of the cells that look like it.

    value_i = sum_j max(cos(x_i, x_j), floor)^power v_j/||v_j||

    What goes into `pix_pro` on the student's side. Not a softmax, not an average: the
    length of the result does not matter there.

    Args:
      features: x, projections.
      values: v, a transformation of the projections (a 1x1 convolution or nothing).
      power: sharpness of the attention; the paper uses 2. Below 1 the similarity gets
        1e-6 more, so that its gradient stays finite.
      floor: smallest similarity.

    Returns:
      The smoothed maps, not normalised.

    Raises:
      ValueError: if the maps differ in size or if power is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> x = jnp.array([[[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]])
      >>> pixel_propagation(x, x)[0, 0].tolist()
      [[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]]

    References:
      Xie et al., "Propagate Yourself: Exploring Pixel-Level Consistency for
      Unsupervised Visual Representation Learning", 2020, arXiv:2011.10043, equation 3.
    """
    check_rank(4, features=features, values=values)
    check_shape((*features.shape[:3], values.shape[3]), values=values)
    check_positive(power=power)
    cells, gathered = _flat(unit(features)), _flat(unit(values))
    attention = jnp.maximum(similarity(cells, cells), floor)
    if power < 1:
        attention += 1e-6
    if power != 1:
        attention = attention**power
    full = jax.lax.Precision.HIGHEST
    smooth = jnp.einsum("bnm,bme->bne", attention, gathered, precision=full)
    return smooth.reshape(values.shape)


def pix_pro(
    prediction: Float[Array, "b h w d"],
    target: Float[Array, "b h w d"],
    positives: Bool[Array, "b n n"],
) -> Float[Array, ""]:
    """PixPro's consistency between cells that show the same place, one direction.

    loss = -mean_b ( sum_{(i,j) positive} cos(y_i, z_j) / number of positive pairs )

    `negative_cosine` on cells. The method adds the loss with the views exchanged.

    Args:
      prediction: y, `pixel_propagation` of the student's map of one view.
      target: z, the teacher's map of the other view; the method stops its gradient.
      positives: pairs of (prediction, target) cells, from `pixel_positives`.

    Returns:
      A scalar in [-1, 1]. An image without positive pairs counts as 0.

    Raises:
      ValueError: if the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> y = jnp.eye(2)[None, None]
      >>> round(float(pix_pro(y, y, jnp.eye(2, dtype=bool)[None])), 4)
      -1.0

    Note:
      The official code has 2 times this; the paper's equation, followed here, has not.

    References:
      Xie et al., "Propagate Yourself: Exploring Pixel-Level Consistency for
      Unsupervised Visual Representation Learning", 2020, arXiv:2011.10043, equation 5.
    """
    cosine = _pairs(prediction, target, positives)
    # In float32, and with the official 1e-6, which rounding swallows from 16 pairs on.
    count = jnp.sum(positives, axis=(1, 2), dtype=jnp.float32) + 1e-6
    total = jnp.sum(jnp.where(positives, cosine, 0.0), axis=(1, 2))
    return -jnp.mean(total / count.astype(total.dtype))


def pix_contrast(
    prediction: Float[Array, "b h w d"],
    target: Float[Array, "b h w d"],
    positives: Bool[Array, "b n n"],
    *,
    temperature: ArrayLike = 0.3,
    log_over: str = "cell",
) -> Float[Array, ""]:
    """PixContrast: a cell finds all cells that show its place, one direction.

    loss = mean_i -log( sum_{j positive} e^{cos_ij/t} / sum_j e^{cos_ij/t} )

    The mean is over cells that have a positive. The contrastive twin of `pix_pro`;
    the method takes the mean with the views exchanged.

    Args:
      prediction: the student's map of one view, any length (normalised here).
      target: the teacher's map of the other view; the method stops its gradient.
      positives: pairs of (prediction, target) cells, from `pixel_positives`.
      temperature: above 0; the paper uses 0.3.
      log_over: "cell", the paper: a logarithm for each cell; or "batch": one logarithm
        of the sums over all cells and images, as lucidrains' implementation.

    Returns:
      A scalar, at least 0; 0 where nothing is positive.

    Raises:
      ValueError: if the shapes do not fit, if the temperature is not positive or if
        `log_over` is another word.

    Example:
      >>> import jax.numpy as jnp
      >>> y = jnp.eye(2)[None, None]
      >>> round(float(pix_contrast(y, y, jnp.eye(2, dtype=bool)[None])), 4)
      0.0351

    References:
      Xie et al., "Propagate Yourself: Exploring Pixel-Level Consistency for
      Unsupervised Visual Representation Learning", 2020, arXiv:2011.10043, equation 2.
    """
    check_positive(temperature=temperature)
    if log_over not in ("cell", "batch"):
        raise ValueError(f"log_over must be 'cell' or 'batch', got {log_over!r}")
    logits = _pairs(prediction, target, positives) / temperature
    if log_over == "batch":
        logits, positives = logits.reshape((1, -1)), positives.reshape((1, -1))
    has_positive = jnp.any(positives, axis=-1)
    has_negative = ~jnp.all(positives, axis=-1)
    decided = has_positive & has_negative
    # A row of one kind alone has the term 0; its mask is any that has both kinds.
    first = jnp.zeros_like(positives).at[..., 0].set(True)
    mask = jnp.where(decided[..., None], positives, first)
    odds = logsumexp_but(logits, mask) - logsumexp_but(logits, ~mask)
    terms = jnp.where(decided, jax.nn.softplus(odds), 0.0)
    return jnp.sum(terms) / jnp.maximum(jnp.sum(has_positive), 1)


def _pairs(prediction: Array, target: Array, positives: Array) -> Array:
    check_rank(4, prediction=prediction, target=target)
    check_same_shape(prediction=prediction, target=target)
    batch, height, width, _ = prediction.shape
    check_shape((batch, height * width, height * width), positives=positives)
    return similarity(_flat(unit(prediction)), _flat(unit(target)))


def _flat(maps: Array) -> Array:
    return maps.reshape((maps.shape[0], -1, maps.shape[-1]))


def _cells(box: Array, size: tuple[int, int]) -> tuple[Array, Array, Array]:
    """Centres x and y of cells `[b h*w]`, row by row, and the diagonal `[b]`."""
    rows, columns = size
    across = (box[:, 2] - box[:, 0]) / columns
    down = (box[:, 3] - box[:, 1]) / rows
    x = box[:, 0, None] + (jnp.arange(columns) + 0.5)[None, :] * across[:, None]
    y = box[:, 1, None] + (jnp.arange(rows) + 0.5)[None, :] * down[:, None]
    shape = (box.shape[0], rows, columns)
    x = jnp.broadcast_to(x[:, None, :], shape).reshape((shape[0], -1))
    y = jnp.broadcast_to(y[:, :, None], shape).reshape((shape[0], -1))
    return x, y, jnp.sqrt(across**2 + down**2)
