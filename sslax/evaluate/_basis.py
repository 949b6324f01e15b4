"""Standardised and rotated features, in two copies of the rows at most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from sslax import scratch


class Basis(NamedTuple):
    """Standardisation and rotation of features, as one affine map.

    Attributes:
      mean: of every dimension.
      axes: [d r], an orthonormal basis of the standardised rows' span, divided by each
        dimension's deviation.
      power: mean square of the standardised rows along each axis, [r].
    """

    mean: np.ndarray
    axes: np.ndarray
    power: np.ndarray


def moments(train: Float[np.ndarray, "n d"]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and one over the deviation of every dimension; 0 for constant dimensions."""
    n = train.shape[0]
    mean = sum(x.sum(axis=0, dtype=np.float64) for x in parts_of(train)) / n
    square = sum(np.square(x - mean).sum(axis=0) for x in parts_of(train)) / n
    deviation = np.sqrt(square)
    alive = deviation > 1e-5 * max(float(deviation.max()), 1e-30)
    return mean, np.where(alive, 1.0 / np.where(alive, deviation, 1.0), 0.0)


def basis_of(train: Float[np.ndarray, "n d"]) -> Basis:
    """The basis of training rows in which their fit is easy.

    The penalty does not change under a rotation, and the optimum has no part outside
    the span of the rows, so a fit in this basis is the same fit, with r <= min(n, d)
    and with directions whose curvatures are known.
    """
    mean, scale = moments(train)
    vectors, power = eigenbasis(train, mean=mean, scale=scale)
    return Basis(mean, scale[:, None] * vectors, power)


def eigenbasis(
    x: Float[np.ndarray, "n d"], *, mean: Any = 0.0, scale: Any = 1.0
) -> tuple[Float[np.ndarray, "d r"], Float[np.ndarray, " r"]]:
    """An orthonormal basis of the span of (x - mean) * scale, and its mean squares."""
    n, d = x.shape
    if n >= d:
        parts = ((part - mean) * scale for part in parts_of(x))
        gram = sum(part.T @ part for part in parts) / n
    else:
        rows = (x.astype(np.float64) - mean) * scale
        gram = rows @ rows.T / n
    power, vectors = np.linalg.eigh(gram)
    kept = power > 1e-9 * max(power[-1], 1e-30)
    power, vectors = power[kept], vectors[:, kept]
    if n < d:
        vectors = rows.T @ (vectors / np.sqrt(n * power))
    return vectors, power


def project(x: Float[np.ndarray, "n d"], basis: Basis) -> Float[np.ndarray, "n r"]:
    """Rows in a basis, of the dtype they have; a second copy, on disk where large."""
    out = scratch.empty((x.shape[0], basis.axes.shape[1]), x.dtype)
    done = 0
    for part in parts_of(x):
        out[done : done + len(part)] = (part - basis.mean) @ basis.axes
        done += len(part)
    return out


def parts_of(x: np.ndarray, numbers: int = 2**22) -> Iterator[np.ndarray]:
    """Rows in float64, a few at a time."""
    size = max(1, numbers // max(x.shape[1], 1))
    for start in range(0, x.shape[0], size):
        yield x[start : start + size].astype(np.float64)
