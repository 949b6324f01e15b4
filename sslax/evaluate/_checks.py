"""Checks of what a user passes, and the arithmetic that every protocol begins with."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Array, Float, Int

Features = Float[Array | np.ndarray, "..."]
Labels = Int[Array | np.ndarray, "..."]


def check_features(**named: Features) -> None:
    """Raises unless every array is `[n d]`, not empty, and all share d."""
    for name, x in named.items():
        if x.ndim != 2 or 0 in x.shape:
            raise ValueError(
                f"{name} must be [n d] with n and d of at least 1, got shape "
                f"{tuple(x.shape)}; one row per image, for example from a method's "
                "embed"
            )
    if len({x.shape[1] for x in named.values()}) > 1:
        seen = ", ".join(f"{name} {tuple(x.shape)}" for name, x in named.items())
        raise ValueError(f"all features must have the same width d, got {seen}")


def check_labels(name: str, labels: Labels, rows: int, classes: int) -> None:
    """Raises unless labels are `[rows]` integers in `[0, classes)`.

    Values are checked only where they are known: not while a function is traced.
    """
    if classes < 2:
        raise ValueError(f"classes must be at least 2, got {classes}")
    if labels.shape != (rows,):
        raise ValueError(
            f"{name} must be [{rows}], one label per row of features, got shape "
            f"{tuple(labels.shape)}"
        )
    if isinstance(labels, jax.core.Tracer) or rows == 0:
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        count = int((labels < 0).sum())
        raise ValueError(
            f"{name} holds {low} in {count} of {rows} rows: images without a label. "
            "Drop them, or evaluate on a labelled split"
        )
    if high >= classes:
        raise ValueError(
            f"{name} holds {high}, but classes={classes} allows 0 to {classes - 1}; "
            f"pass classes={high + 1} or more"
        )


def raised_numpy(x: Features) -> np.ndarray:
    """A numpy array of float32 or float64, for the parts that run on the host."""
    x = np.asarray(x)
    return x if x.dtype == np.float64 else x.astype(np.float32, copy=False)
