"""Segmentation from frozen maps of features: a linear probe on cells, and IoU."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from sslax.evaluate._checks import raised_numpy
from sslax.evaluate._logistic import logistic_regression

# Cells that a fit reads; they are drawn from all.
_CELLS = 200_000


def iou(predicted: Any, truth: Any) -> tuple[float, float]:
    """Intersection over union of foreground and of background, over all pixels.

    Args:
      predicted: [n h w], true where an image's foreground is said to be.
      truth: [n h w], the same for the exact masks.

    Returns:
      Percent for the foreground, and for the background; 100 where neither has any.

    Raises:
      ValueError: if the shapes differ.

    Example:
      >>> truth = np.asarray([[[True, True, False, False]]])
      >>> iou(np.asarray([[[True, False, False, False]]]), truth)
      (50.0, 66.66666666666667)
    """
    predicted, truth = np.asarray(predicted, bool), np.asarray(truth, bool)
    if predicted.shape != truth.shape:
        raise ValueError(
            f"masks must have one shape, got {predicted.shape} and {truth.shape}"
        )
    both = []
    for a, b in ((predicted, truth), (~predicted, ~truth)):
        union = int((a | b).sum())
        both.append(100.0 * int((a & b).sum()) / union if union else 100.0)
    return both[0], both[1]


def segment_maps(
    train_maps: Any, train_masks: Any, test_maps: Any, *, size: int, l2: float, key: Any
) -> Bool[np.ndarray, "m size size"]:
    """Foreground masks by logistic regression on the cells of maps of features.

    A training cell is foreground where more than half of it is; scores of test cells
    are enlarged bilinearly to pixels.

    Args:
      train_maps: [n h w d], frozen features by place.
      train_masks: [n s t], shares of foreground in [0, 1].
      test_maps: [m h w d].
      size: side of the masks to make, in pixels.
      l2: penalty of `logistic_regression`.
      key: draws 200,000 cells where there are more.

    Returns:
      Masks [m size size].

    Raises:
      ValueError: if a map is not [n h w d], or their sizes differ.
    """
    maps, tests = raised_numpy(train_maps), raised_numpy(test_maps)
    if maps.ndim != 4 or maps.shape[1:] != tests.shape[1:]:
        raise ValueError(
            f"maps must be [n h w d] of one size, got {maps.shape} and {tests.shape}"
        )
    n, h, w, d = maps.shape
    shares = jax.image.resize(
        jnp.asarray(train_masks, jnp.float32), (n, h, w), "linear"
    )
    cells, labels = maps.reshape(-1, d), np.asarray(shares > 0.5, np.int32).ravel()
    if len(cells) > _CELLS:
        rows = np.asarray(jax.random.permutation(key, len(cells)))[:_CELLS]
        cells, labels = cells[rows], labels[rows]
    logits = logistic_regression(cells, labels, tests.reshape(-1, d), classes=2, l2=l2)
    scores = (logits[:, 1] - logits[:, 0]).reshape(-1, h, w)
    return np.concatenate(
        [np.asarray(_enlarged(part, size) > 0) for part in _parts(scores)]
    )


def _parts(x: np.ndarray, size: int = 256) -> list[np.ndarray]:
    return [x[i : i + size] for i in range(0, len(x), size)]


def _enlarged(scores: np.ndarray, size: int) -> Float[Array, "n size size"]:
    return jax.image.resize(jnp.asarray(scores), (len(scores), size, size), "linear")
