"""Masked image modelling with several predictions: LocalMIM and DeepMIM."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.checks import check_not_empty, check_rank, check_same_shape, check_shape
from sslax.losses._cosine import cosine_regression
from sslax.losses._numerics import weighted_mean
from sslax.losses._reconstruction import masked_mse


def mask_on_grid(
    mask: Float[Array, "b h w"] | Array, *, grid: tuple[int, int]
) -> Float[Array, "b gh gw"]:
    """The mask of patches on a finer or coarser grid: repeated, or averaged.

    m'_ij = mean of m over the patches that cell ij overlaps

    On a finer grid that is the mask of the one patch around the cell; on a coarser grid
    it is a fraction.

    Args:
      mask: m, `[b h w]`: 1 where the patch was removed, 0 where it was visible.
      grid: (rows, columns) of the new grid; each divides h or w, or is a multiple.

    Returns:
      m', `[b rows columns]`, in at least float32.

    Raises:
      ValueError: if a side of the grid neither divides the mask's nor is a multiple.

    Example:
      >>> import jax.numpy as jnp
      >>> mask = jnp.array([[[1, 0], [1, 1]]])
      >>> mask_on_grid(mask, grid=(1, 1)).tolist()
      [[[0.75]]]
      >>> mask_on_grid(mask, grid=(2, 4)).tolist()
      [[[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]]

    References:
      Wang et al., "Masked Image Modeling with Local Multi-Scale Reconstruction", 2023,
      arXiv:2303.05251, section 3.
    """
    check_rank(3, mask=mask)
    mask = at_least_float32(mask)
    for axis, side in ((1, grid[0]), (2, grid[1])):
        now = mask.shape[axis]
        if side < 1 or now < 1 or (side % now and now % side):
            raise ValueError(
                f"a grid of {tuple(grid)} cells must divide the mask's {mask.shape[1:]}"
                " or be a multiple of it, side by side"
            )
        if side >= now:
            mask = jnp.repeat(mask, side // now, axis=axis)
        else:
            split = (*mask.shape[:axis], side, now // side, *mask.shape[axis + 1 :])
            mask = jnp.mean(mask.reshape(split), axis=axis + 1)
    return mask


def local_mim(
    predictions: Sequence[Float[Array, "b _ _ _"]],
    targets: Sequence[Float[Array, "b _ _ _"]],
    mask: Array,
) -> Float[Array, ""]:
    """LocalMIM's sum of masked reconstructions at several scales.

    loss = sum_k ( sum_bn m^k_bn (1/d_k) ||x^k_bn - y^k_bn||^2 / sum_bn m^k_bn )

    Here m^k is the mask on the grid of scale k (see `mask_on_grid`). Lower layers
    predict fine cells, upper layers coarse ones. The targets are `hog` features, or
    pixels through `normalize_patches`.

    Args:
      predictions: x^k, one map `[b gh gw d]` per scale; grids and d may differ.
      targets: y^k, one map of the same shape per scale.
      mask: m, `[b h w]`: 1 where the patch was removed, on the encoder's grid.

    Returns:
      A scalar, at least 0; a scale without removed cells adds 0.

    Raises:
      ValueError: if there is no scale, or shapes or grids do not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> fine, coarse = jnp.ones((1, 2, 2, 3)), jnp.ones((1, 1, 1, 5))
      >>> mask = jnp.array([[[1, 0], [0, 0]]])
      >>> float(local_mim([fine, 2 * coarse], [0 * fine, 0 * coarse], mask))
      5.0

    Note:
      Equal weights for all scales, as in the paper and its code. A cell coarser than a
      patch is weighted by the fraction of it that was removed.

    References:
      Wang et al., "Masked Image Modeling with Local Multi-Scale Reconstruction", 2023,
      arXiv:2303.05251, section 3.
    """
    _check_pairs(predictions, targets)
    scales = []
    for prediction, target in zip(predictions, targets, strict=True):
        check_rank(4, prediction=prediction)
        check_same_shape(prediction=prediction, target=target)
        b, rows, columns, d = prediction.shape
        weight = mask_on_grid(mask, grid=(rows, columns))
        scale = masked_mse(
            prediction.reshape((b, rows * columns, d)),
            target.reshape((b, rows * columns, d)),
            weight.reshape((weight.shape[0], rows * columns)),
        )
        scales.append(scale)
    return sum(scales)


def masked_cosine(
    prediction: Float[Array, "b n d"],
    target: Float[Array, "*as_prediction"],
    mask: Array,
) -> Float[Array, ""]:
    """Mean of 2 - 2 cos over the removed patches of the whole batch.

    loss = sum_bn m_bn || x_bn/||x_bn|| - y_bn/||y_bn|| ||^2 / sum_bn m_bn

    The loss of DeepMIM for one layer, where the targets are a teacher's features.

    Args:
      prediction: x, `[b n d]`: the decoder's output for every patch, any length.
      target: y, `[b n d]`: the teacher's tokens; the method stops their gradient.
      mask: m, `[b n]`: 1 where the patch was removed, 0 where it was visible.

    Returns:
      A scalar in [0, 4]; 0 if the mask removes nothing. A zero vector has distance 1.

    Raises:
      ValueError: if the shapes do not fit, or there is no patch at all.

    Example:
      >>> import jax.numpy as jnp
      >>> prediction = jnp.array([[[1.0, 0.0], [0.0, 2.0]]])
      >>> target = jnp.array([[[0.0, 3.0], [0.0, 1.0]]])
      >>> float(masked_cosine(prediction, target, jnp.array([[1, 1]])))
      1.0

    Note:
      The official code divides by the norms without a safeguard, so that a zero vector
      gives nan; here its direction is 0 and so is its gradient.

    References:
      Ren et al., "DeepMIM: Deep Supervision for Masked Image Modeling", 2023,
      arXiv:2303.08817 (its public code, CLIP targets).
    """
    check_rank(3, prediction=prediction)
    check_same_shape(prediction=prediction, target=target)
    check_shape(prediction.shape[:2], mask=mask)
    check_not_empty(prediction=prediction)
    mask = at_least_float32(mask)
    distance = cosine_regression(prediction, target, reduction="none")
    return weighted_mean(distance, mask)


def deep_mim(
    predictions: Sequence[Float[Array, "b n d"]],
    target: Float[Array, "b n d"],
    mask: Array,
) -> Float[Array, ""]:
    """DeepMIM's sum over supervised layers of the masked cosine distance.

    loss = sum_l sum_bn m_bn (2 - 2 cos(x^l_bn, y_bn)) / sum_bn m_bn

    Every supervised layer has its own decoder, and all predict the same target.

    Args:
      predictions: x^l, one array `[b n d]` per supervised layer.
      target: y, `[b n d]`: the teacher's tokens; the method stops their gradient.
      mask: m, `[b n]`: 1 where the patch was removed, 0 where it was visible.

    Returns:
      A scalar, at least 0: four times the number of layers at most.

    Raises:
      ValueError: if there is no layer, or the shapes do not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> x, mask = jnp.ones((1, 2, 4)), jnp.array([[1, 0]])
      >>> float(deep_mim([x, -x], x, mask))
      4.0

    Note:
      The public code holds the form with CLIP's tokens as targets, which is this one.
      With pixels as targets the loss of a layer is `masked_mse`, summed likewise.

    References:
      Ren et al., "DeepMIM: Deep Supervision for Masked Image Modeling", 2023,
      arXiv:2303.08817, section 3.
    """
    _check_pairs(predictions, predictions)
    return sum(masked_cosine(prediction, target, mask) for prediction in predictions)


def _check_pairs(predictions: Sequence[Array], targets: Sequence[Array]) -> None:
    if not predictions or len(predictions) != len(targets):
        raise ValueError(
            "there must be one target per prediction and one prediction at least, got "
            f"{len(predictions)} predictions and {len(targets)} targets"
        )
