"""Is the representation healthy? Rank, spread, alignment, uniformity, collapse."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from sslax.arrays import SMALLEST_NORM, unit
from sslax.evaluate._basis import parts_of
from sslax.evaluate._checks import Features, check_features
from sslax.losses import alignment, uniformity

# Numbers of a view that are on the device at once.
_PAIRS = 2**26


def rankme(features: Features) -> float:
    """RankMe: how many dimensions the features use, smoothly counted.

    The exponential of the entropy of the normalised singular values. From 1 (all rows
    on a line) to min(n, d) (all directions equally used). Follows downstream accuracy
    without labels for one architecture and data set.

    Args:
      features: [n d], as they come: neither centred nor normalised.

    Returns:
      A number; 0 for features that are all zero.

    Raises:
      ValueError: if features are not [n d].

    Example:
      >>> round(rankme(np.eye(8)), 2)
      8.0

    References:
      Garrido, Balestriero, Najman, LeCun. RankMe: Assessing the Downstream Performance
      of Pretrained Self-Supervised Representations by Their Rank. 2023.
      arXiv:2210.02885, equation 1.

    Note:
      As in the paper 1e-7 is added to every share, and the estimate grows with n until
      n is well above d. Singular values come from the smaller Gram matrix in float64,
      on the host: those below 1e-8 of the largest are lost, which the paper's 1e-7
      hides.
    """
    check_features(features=features)
    x = np.asarray(features)
    largest = max(max(float(np.abs(part).max()) for part in parts_of(x)), 1e-300)
    if x.shape[0] >= x.shape[1]:
        parts = (part / largest for part in parts_of(x))
        gram = sum(part.T @ part for part in parts)
    else:
        x = x.astype(np.float64) / largest
        gram = x @ x.T
    power = np.linalg.eigvalsh(gram)
    singular = np.sqrt(np.maximum(power, 0.0))
    if not singular.any():
        return 0.0
    share = singular / singular.sum() + 1e-7
    return float(np.exp(-np.sum(share * np.log(share))))


def _spread(x: np.ndarray) -> dict[str, float]:
    """How directions spread, a few rows at a time."""
    n, d = x.shape
    low, high, mean = np.full(d, np.inf), np.full(d, -np.inf), np.zeros(d)
    for part in parts_of(x):
        low, high = (
            np.minimum(low, part.min(axis=0)),
            np.maximum(high, part.max(axis=0)),
        )
        mean += _directions(part).sum(axis=0) / n
    square = sum(np.square(_directions(p) - mean).sum(axis=0) for p in parts_of(x)) / n
    return {
        "std": float(np.sqrt(square).mean() * d**0.5),
        "cosine": float(np.square(mean).sum()),
        "dead": float((low == high).mean()),
    }


def _directions(rows: np.ndarray) -> np.ndarray:
    """`unit` of float64 rows."""
    length = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return np.divide(
        rows, length, out=np.zeros_like(rows), where=length > SMALLEST_NORM
    )


def _alignment(first: np.ndarray, second: np.ndarray) -> float:
    """`alignment` of directions, a few rows at a time."""
    size = max(1, _PAIRS // first.shape[1])
    total = 0.0
    for i in range(0, len(first), size):
        pair = [unit(x[i : i + size]) for x in (first, second)]
        total += float(alignment(*pair)) * len(pair[0])
    return total / len(first)


def health(
    features: Features,
    positive_pair: tuple[Features, Features] | None = None,
    *,
    sample: int = 2_000,
) -> dict[str, float]:
    """Numbers that tell a living representation from a collapsed one, without labels.

    Args:
      features: [n d], n at least 2.
      positive_pair: features of two random views of the same images, each [n d], for
        alignment.
      sample: about so many rows, evenly spaced, for uniformity, whose cost grows with
        the square.

    Returns:
      `rankme`: see `rankme`; `dimensions`: d; `std`: mean deviation per dimension of
      unit features times sqrt(d), 0 when collapsed and 1 when spread evenly; `cosine`:
      mean cosine of two images, near 1 when collapsed; `dead`: share of dimensions that
      are constant; `uniformity` (lower is more even) and, with a pair,
      `alignment` (lower is more invariant), both of unit features.

    Raises:
      ValueError: for shapes that do not fit, a single row, or features that are not
        finite.

    Example:
      >>> import jax.numpy as jnp
      >>> numbers = health(jnp.eye(8))
      >>> round(numbers["rankme"], 2), numbers["dimensions"]
      (8.0, 8)

    References:
      Garrido et al. RankMe. 2023. arXiv:2210.02885.
      Wang, Isola. Understanding Contrastive Representation Learning through Alignment
      and Uniformity on the Hypersphere. 2020. arXiv:2005.10242, section 4.1.
      Chen, He. Exploring Simple Siamese Representation Learning. 2021.
      arXiv:2011.10566, section 4.1 and figure 2 (the deviation per dimension).
    """
    views = {"features": features}
    if positive_pair is not None:
        first, second = positive_pair
        views |= {"first of the pair": first, "second of the pair": second}
        if first.shape != second.shape:
            raise ValueError(
                "the views of positive_pair must have one shape, "
                f"got {tuple(first.shape)} and {tuple(second.shape)}"
            )
    check_features(**views)
    if features.shape[0] < 2:
        raise ValueError(
            f"health compares images; features has {features.shape[0]} row"
        )
    x = np.asarray(features)
    bad = sum(int((~np.isfinite(p).all(axis=1)).sum()) for p in parts_of(x))
    if bad:
        raise ValueError(
            f"features are not finite in {bad} of {features.shape[0]} rows: the run "
            "has diverged; go back to an earlier checkpoint and lower the rate"
        )
    numbers = {
        "rankme": rankme(x),
        "dimensions": x.shape[1],
        **_spread(x),
        "uniformity": float(uniformity(unit(x[:: -(-len(x) // sample)]))),
    }
    if positive_pair is not None:
        numbers["alignment"] = _alignment(*map(np.asarray, positive_pair))
    return numbers


def collapse_warnings(
    numbers: Mapping[str, float],
    *,
    untrained: Mapping[str, float] | None = None,
    parts: Collection[str] = (),
) -> list[str]:
    """What is wrong with a representation, in words, and what to try.

    Args:
      numbers: from `health`.
      untrained: the same of the network before training; what was as narrow then has
        not collapsed, it has not been trained for long.
      parts: what the method has, so that advice is about it: of "teacher", "predictor",
        "projector", "queue", "mask" and "pairs" (several views of an image).

    Returns:
      One sentence or two per finding; empty for a healthy representation.

    Example:
      >>> import jax.numpy as jnp
      >>> collapse_warnings(health(jnp.eye(8)))
      []
      >>> collapse_warnings(health(jnp.ones((8, 8))))[0].split(":")[0]
      'complete collapse'
    """
    found = []
    d, rank = int(numbers["dimensions"]), numbers["rankme"]
    before = {} if untrained is None else untrained
    if numbers["std"] < _NARROW:
        found.append(_narrow(numbers, before, parts))
    elif d >= 16 and rank < max(2.0, 0.02 * d):
        found.append(_low_rank(rank, d, before, parts))
    if numbers["dead"] > 0.5:
        found.append(
            f"dead dimensions: {100 * numbers['dead']:.0f} % of {d} dimensions are "
            "the same for every image. Try a lower learning rate or less weight decay; "
            "units that died do not come back"
        )
    return found


# Deviations of unit features, times the root of their width. Random networks have
# cosines of 0.9 and more between images and are not collapsed.
_NARROW, _CONSTANT = 0.05, 0.01
_LONGER = "Try more steps, a longer warm-up or a higher learning rate"


def _narrow(numbers, before, parts) -> str:
    seen = f"(mean cosine {numbers['cosine']:.4f}, deviation {numbers['std']:.4f}" + (
        f"; {before['std']:.4f} before training)" if "std" in before else ")"
    )
    if numbers["std"] > 0.5 * before.get("std", np.inf):
        return f"narrow features, as they were before training {seen}. {_LONGER}"
    if numbers["std"] > _CONSTANT:
        return (
            "narrow features: all images lie close to one direction "
            f"{seen}. Read them standardised, as the linear probe does. {_LONGER}"
        )
    advice = ["Try a lower learning rate or a longer warm-up"]
    advice += ["check that the teacher gets no gradient"] * ("teacher" in parts)
    advice += ["that the predictor trains"] * ("predictor" in parts)
    advice += ["that the head has its batch norm"] * ("projector" in parts)
    return (
        "complete collapse: all images have almost the same feature "
        f"{seen}. {'; '.join(advice)}"
    )


def _low_rank(rank, d, before, parts) -> str:
    seen = f"the features use about {rank:.1f} of {d} dimensions"
    if "rankme" in before:
        seen += f"; the untrained network {before['rankme']:.1f}"
    if rank > 0.5 * before.get("rankme", np.inf):
        return f"low rank, as before training: {seen}. {_LONGER}"
    advice = ["stronger augmentation"] * ("pairs" in parts)
    advice += ["a deeper projection head"] * ("projector" in parts)
    advice += ["a larger queue"] * ("queue" in parts)
    advice += ["a higher masking ratio"] * ("mask" in parts)
    advice += ["more steps"]
    return f"low rank: {seen}. Try {' or '.join(advice)}"
