"""How far two sets of images are apart, by their features: Fréchet and kernel distance.

So are images judged that a network has made, against real ones, without pairs.
"""

from __future__ import annotations

import jax
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from sslax.checks import check_positive
from sslax.evaluate._basis import parts_of
from sslax.evaluate._checks import Features, check_features

# Rows of a subset of the kernel distance, where sets are large.
_SUBSET = 1000


def frechet_distance(x: Features, y: Features) -> float:
    """Fréchet distance of two sets of features, each taken for a Gaussian.

    ||m_x - m_y||^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)), of means m and covariances C.
    With the pooled features of a certain Inception-v3 it is known as FID. Numbers are
    comparable for one network and one number of images: few images raise it.

    Args:
      x: [n d], as they come.
      y: [m d], of the same network; n and m at least 2. Fewer than d will do:
        covariances may lack rank.

    Returns:
      The squared distance, 0 or more, in the units of the features squared.

    Raises:
      ValueError: for shapes that do not fit, a single row, or features that are not
        finite.

    Example:
      >>> x = np.random.default_rng(0).normal(size=(100, 8))
      >>> round(frechet_distance(x, x + 0.5), 4)  # 8 dimensions, each moved by 0.5
      2.0

    References:
      Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local
      Nash Equilibrium, 2017, arXiv:1706.08500, equation 6. Dowson, Landau, The Fréchet
      Distance between Multivariate Normal Distributions, 1982.

    Note:
      No root of a matrix is drawn: with C_x = R^T R and C_y = S^T S its trace is the
      sum of the singular values of R S^T, in float64 on the host. The released code
      adds 1e-6 to the diagonals where its root fails, and drops imaginary parts.
      Covariances are divided by n - 1, as there.
    """
    _check(x, y)
    (mean_x, root_x), (mean_y, root_y) = (_moments(np.asarray(z)) for z in (x, y))
    shared = scipy.linalg.svdvals(root_x @ root_y.T).sum()
    spread = np.square(root_x).sum() + np.square(root_y).sum() - 2 * shared
    # Rounding may leave equal sets a hair below 0.
    return float(np.square(mean_x - mean_y).sum() + max(spread, 0.0))


def kernel_distance(
    x: Features,
    y: Features,
    *,
    key: Array,
    subsets: int = 100,
    size: int | None = None,
) -> tuple[float, float]:
    """Kernel distance of two sets of features: squared MMD, free of bias.

    The kernel is (x . y / d + 1)^3. With the pooled features of a certain Inception-v3
    it is known as KID. Unlike the Fréchet distance its expectation does not depend on
    the number of images, so that few will do; of two draws of one distribution it is
    about 0, often below.

    Args:
      x: [n d], as they come.
      y: [m d], of the same network.
      key: of the draw of subsets.
      subsets: how many.
      size: rows of each subset, of either set, without repetition. None takes 1000, or
        half of the smaller set where that is less, so that subsets differ.

    Returns:
      Mean and deviation over subsets, in no unit.

    Raises:
      ValueError: for shapes that do not fit, features that are not finite, or subsets
        of fewer rows than 2 or of more than there are.

    Example:
      >>> x, y = np.random.default_rng(0).normal(size=(2, 400, 8))
      >>> near, _ = kernel_distance(x, y, key=jax.random.key(0))
      >>> far, _ = kernel_distance(x, y + 1, key=jax.random.key(0))
      >>> abs(near) < 0.05, far > 1
      (True, True)

    References:
      Binkowski et al., Demystifying MMD GANs, 2018, arXiv:1801.01401, sections 2.1 and
      4 and equation 4. Gretton et al., A Kernel Two-Sample Test, 2012, equation 3.

    Note:
      100 subsets of 1000, and the kernel's scale 1/d, are those of the released code.
    """
    _check(x, y)
    x, y = np.asarray(x), np.asarray(y)
    fewest = min(len(x), len(y))
    size = max(2, min(_SUBSET, fewest // 2)) if size is None else size
    check_positive(subsets=subsets)
    if not 2 <= size <= fewest:
        raise ValueError(
            "size is the rows of a subset, from 2 to those of the smaller set, "
            f"{fewest}; got {size}"
        )
    rng = np.random.default_rng(np.asarray(jax.random.bits(key, (4,))))
    found = [
        _squared_mmd(*(z[rng.choice(len(z), size, replace=False)] for z in (x, y)))
        for _ in range(subsets)
    ]
    return float(np.mean(found)), float(np.std(found))


def _check(x: Features, y: Features) -> None:
    check_features(x=x, y=y)
    for name, z in {"x": x, "y": y}.items():
        if len(z) < 2:
            raise ValueError(
                f"{name} has 1 row: a distance of sets is told from 2 images of each "
                "on, and means something from hundreds on"
            )
        bad = sum(int((~np.isfinite(p).all(axis=1)).sum()) for p in parts_of(z))
        if bad:
            raise ValueError(
                f"{name} is not finite in {bad} of {len(z)} rows: the network that "
                "reads the images, or the one that made them, has diverged"
            )


def _moments(x: np.ndarray) -> tuple[np.ndarray, Float[np.ndarray, "r d"]]:
    """The mean, and R of at most d rows whose R^T R is the covariance.

    By QR of a part of the rows below the R of those before, in which small directions
    keep their digits.
    """
    n = len(x)
    mean = sum(part.sum(axis=0) for part in parts_of(x)) / n
    root = np.zeros((0, x.shape[1]))
    for part in parts_of(x, max(2**22, x.shape[1] ** 2)):
        root = np.linalg.qr(np.concatenate([root, part - mean]), mode="r")
    return mean, root / np.sqrt(n - 1)


def _squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """The estimate without bias, of as many rows of each."""
    x, y = x.astype(np.float64), y.astype(np.float64)

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1.0) ** 3

    def within(a):
        k = kernel(a, a)
        return (k.sum() - np.trace(k)) / (len(a) * (len(a) - 1))

    return float(within(x) + within(y) - 2 * kernel(x, y).mean())
