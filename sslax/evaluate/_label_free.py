"""How good features are, told without labels: the decay of their spectrum, LiDAR."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from sslax.evaluate._checks import Features, check_features


def alpha_req(features: Features, *, first: int = 11, last: int = 100) -> float:
    """The decay of the spectrum: eigenvalue i of the covariance is about i^-alpha.

    The closer to 1, the better do features of one architecture and data set serve:
    above, few directions hold all; below, noise has a share in many. To choose among
    checkpoints by, take `-abs(alpha - 1)`.

    Args:
      features: [n d], as they come; they are centred here.
      first: the rank of the first eigenvalue of the fit, from 1: the largest do not
        follow a power law.
      last: of the last; less where there are fewer directions.

    Returns:
      alpha, 0 for a flat spectrum.

    Raises:
      ValueError: if features are not [n d], or have fewer directions than `first + 1`.

    Example:
      >>> noise = np.random.default_rng(0).normal(size=(200, 40))
      >>> directions, _ = np.linalg.qr(noise - noise.mean(axis=0))
      >>> features = directions * np.arange(1, 41) ** -0.5  # variances 1/i
      >>> round(alpha_req(features), 2)
      1.0

    References:
      Agrawal, Mondal, Ghosh, Richards. alpha-ReQ: Assessing Representation Quality in
      Self-Supervised Learning by Measuring Eigenspectrum Decay. NeurIPS 2022.
      Stringer, Pachitariu, Steinmetz, Carandini, Harris. High-dimensional geometry of
      population responses in visual cortex. Nature 571, 2019 (the fit).

    Note:
      A line through the logarithms, in which rank i has the weight 1/i, as in the code
      of both papers. The range of ranks is the reader's: the authors' code goes from 5
      or 11 to 50. Numbers are comparable for one range.
    """
    check_features(features=features)
    x = np.asarray(features).astype(np.float64)
    x = x - x.mean(axis=0)
    gram = x.T @ x if x.shape[0] >= x.shape[1] else x @ x.T
    power = np.linalg.eigvalsh(gram)[::-1]
    power = power[power > 1e-12 * max(float(power[0]), 1e-300)]
    rank = np.arange(first, min(last, len(power)) + 1)
    if len(rank) < 2:
        raise ValueError(
            f"the features have {len(power)} directions, and the fit begins with the "
            f"one of rank {first}: give a smaller first, or more images"
        )
    line = np.polyfit(np.log(rank), np.log(power[rank - 1]), 1, w=rank**-0.5)
    return float(-line[0])


def lidar(views: Any, *, delta: float = 1e-4) -> float:
    """LiDAR: how many directions tell images apart, against what views change.

    Every image is a class of its own, and its views are what the class has. The
    exponential of the entropy of the eigenvalues of linear discriminant analysis, from
    1 to d: unlike RankMe, directions of noise do not count. Follows downstream accuracy
    without labels, also between methods that have the same views.

    Args:
      views: features [n q d] of q views of each of n images, as they come. The paper
        has 1000 images with 50 views each; of few views directions without signal keep
        a share of 1/q.
      delta: added to the variances within images, in the units of the features squared.

    Returns:
      A number; 0 where no two images differ.

    Raises:
      ValueError: if views are not [n q d], or fewer than two images or views.

    Example:
      >>> x = np.eye(8).repeat(4, axis=0).reshape(8, 4, 8)  # views do not differ
      >>> round(lidar(x), 2)  # one direction is lost with the mean
      7.0

    References:
      Thilak, Huang, Saremi, Dinh, Goh, Nakkiran, Susskind, Littwin. LiDAR: Sensing
      Linear Probing Performance in Joint Embedding SSL Architectures. ICLR 2024.
      arXiv:2312.04000, section 4, equations 1 to 4 of its first version.

    Note:
      The paper gives no delta and no epsilon; as for RankMe 1e-7 is added to every
      share.
    """
    x = np.asarray(views)
    if x.ndim != 3 or min(x.shape[:2]) < 2:
        raise ValueError(
            "lidar takes features [n q d] of two or more views of two or more images; "
            f"got the shape {x.shape}"
        )
    x = x.astype(np.float64)
    centres = x.mean(axis=1)
    inner = (x - centres[:, None]).reshape(-1, x.shape[2])
    between = centres - centres.mean(axis=0)
    within = inner.T @ inner / len(inner) + delta * np.eye(x.shape[2])
    values = scipy.linalg.eigh(
        between.T @ between / len(between), within, eigvals_only=True
    )
    values = np.maximum(values, 0.0)
    if not values.any():
        return 0.0
    share = values / values.sum() + 1e-7
    return float(np.exp(-np.sum(share * np.log(share))))
