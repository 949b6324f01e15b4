"""Multinomial logistic regression to the optimum (L-BFGS), for frozen features."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sslax.checks import check_positive
from sslax.evaluate import _rows
from sslax.evaluate._basis import basis_of, project
from sslax.evaluate._checks import (
    Features,
    Labels,
    check_features,
    check_labels,
    raised_numpy,
)

# Curvature of softmax cross-entropy in a logit, p (1 - p), at ten equal classes. It
# only sets the units that L-BFGS works in; the optimum does not depend on it.
_CURVATURE = 0.09
_HIGHEST = jax.lax.Precision.HIGHEST


# Numbers of a block on a device: its features and its logits.
_BLOCK = 2**26
# Rows that choose the penalty.
_CHOOSING = 100_000


@jax.jit
def _objective(weights, scale, features, labels):
    """The gradient of the cross-entropy, summed over rows, and its value for each.

    Rows with a label below 0 only fill a block, and count for nothing.
    """

    def loss(weights):
        kernel = weights[:-1] * scale[:, None]
        logits = jnp.matmul(features, kernel, precision=_HIGHEST) + weights[-1:]
        # A choice, not a gather, whose gradient XLA would fold for seconds.
        named = labels[:, None] == jnp.arange(logits.shape[1])[None]
        rows = jax.nn.logsumexp(logits, axis=1) - jnp.where(named, logits, 0).sum(1)
        rows = jnp.where(labels < 0, 0, rows)
        return rows.sum(), rows

    return jax.grad(loss, has_aux=True)(weights)


def _blocks(
    features: np.ndarray, labels: np.ndarray, classes: int
) -> Callable[[], Iterable[tuple[Any, Any]]]:
    """Rows and labels in blocks, for one pass after the other.

    They lie over the devices of this process, where all fit; else they pass through
    them, and each pass reads the host's memory again.
    """
    mesh, n = _rows.mesh_for(features), len(features)
    size = _rows.block_size(n, max(1, _BLOCK // (features.shape[1] + classes)), mesh)

    def placed(start: int) -> tuple[Any, Any]:
        x = _rows.block(features, start, size, mesh)
        y = _rows.block(labels, start, size, mesh, fill=-1)
        return jnp.asarray(x), jnp.asarray(y)

    starts = range(0, n, size)
    if not _rows.fits(features, mesh):
        return lambda: map(placed, starts)
    here = [placed(start) for start in starts]
    return lambda: here


def fit(
    features: Float[np.ndarray, "n r"],
    labels: Int[np.ndarray, " n"],
    power: Float[np.ndarray, " r"],
    *,
    classes: int,
    l2: float,
    start: Float[np.ndarray, "r_and_bias classes"] | None = None,
    tolerance: float = 1e-4,
    max_iterations: int = 1000,
) -> Float[np.ndarray, "r_and_bias classes"]:
    """Minimises mean cross-entropy + l2/2 |weights|^2; the bias, the last row, is free.

    Every direction is measured in units of its own curvature, which takes the number
    of iterations from hundreds to dozens. Warns where the optimum was not reached.
    """
    from scipy import optimize

    dtype, n = jax.dtypes.canonicalize_dtype(features.dtype), len(features)
    scale = np.append(1.0 / np.sqrt(_CURVATURE * power + l2), 1.0)[:, None]
    jax_scale = jnp.asarray(scale[:-1, 0], dtype)
    blocks = _blocks(features, labels, classes)

    def value_and_gradient(flat):
        weights = flat.reshape(-1, classes)
        kernel = weights[:-1] * scale[:-1]
        value, gradient = 0.5 * l2 * np.sum(kernel**2), np.zeros_like(weights)
        gradient[:-1] = l2 * scale[:-1] * kernel
        given = jnp.asarray(weights, dtype)
        for x, y in blocks():
            slope, rows = _objective(given, jax_scale, x, y)
            # Rounding of a sum in float32 would end the search before its optimum.
            value += np.asarray(rows, np.float64).sum() / n
            gradient += np.asarray(slope, np.float64) / n
        return value, gradient.ravel()

    shape = (features.shape[1] + 1, classes)
    first = np.zeros(shape) if start is None else start / scale
    found = optimize.minimize(
        value_and_gradient,
        first.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iterations, "gtol": tolerance, "ftol": 1e-9},
    )
    steepest = np.abs(found.jac).max()
    if not found.success and steepest > 10 * tolerance:
        warnings.warn(
            f"logistic regression on {n} rows with l2={l2:g} stopped before its "
            f"optimum after {found.nit} iterations ({found.message}); the largest "
            f"entry of the gradient is {steepest:.1e}, {tolerance:.0e} was asked",
            RuntimeWarning,
            stacklevel=3,
        )
    return found.x.reshape(shape) * scale


def scores_of(
    features: Float[np.ndarray, "m r"], weights: Float[np.ndarray, "r_and_bias classes"]
) -> Float[np.ndarray, "m classes"]:
    """Logits of rows."""
    return features @ weights[:-1].astype(features.dtype) + weights[-1]


def choose_l2(
    train_features: Features,
    train_labels: Labels,
    *,
    classes: int,
    key: Array,
    choices: Sequence[float] = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003),
    held_out: float = 0.2,
) -> float:
    """The weight penalty that classifies a held-out part of the training set best.

    The test set is never seen. Fits run from the strongest penalty down, each from the
    optimum of the one before. At most 100,000 rows take part. Warns where the first or
    the last of three or more choices is clearly better than the one beside it.

    Args:
      train_features: [n d]; standardised inside.
      train_labels: [n], integers in [0, classes).
      classes: the number of classes of the data set.
      key: draws the held-out part.
      choices: penalties to try, all above zero.
      held_out: share of the rows that judges.

    Returns:
      One of the choices; of equally good ones the strongest.

    Raises:
      ValueError: for shapes that do not fit, labels out of range, a choice that is not
        above zero, or a held-out part that leaves one side empty.

    Example:
      >>> import numpy as np
      >>> x = np.random.default_rng(0).normal(size=(60, 4))
      >>> y = (x[:, 0] > 0).astype(np.int32)
      >>> choose_l2(x, y, classes=2, key=jax.random.key(0), choices=(10.0, 0.01))
      0.01
    """
    check_features(train_features=train_features)
    check_labels("train_labels", train_labels, train_features.shape[0], classes)
    for choice in choices:
        check_positive(l2=choice)
    n = train_features.shape[0]
    judges = round(held_out * n)
    if not 0 < judges < n:
        raise ValueError(
            f"held_out={held_out} of {n} rows leaves {n - judges} to fit and {judges} "
            "to judge; both need at least one"
        )
    order = np.asarray(jax.random.permutation(key, n))[:_CHOOSING]
    judges = round(held_out * len(order))
    labels = np.asarray(train_labels)[order]
    features = raised_numpy(train_features)[order]
    basis = basis_of(features[judges:])
    fitted, judged = (project(x, basis) for x in (features[judges:], features[:judges]))
    hits, weights = {}, None
    for l2 in sorted(choices, reverse=True):
        weights = fit(
            fitted,
            labels[judges:],
            basis.power,
            classes=classes,
            l2=l2,
            start=weights,
            tolerance=1e-3,
        )
        hits[l2] = int((scores_of(judged, weights).argmax(1) == labels[:judges]).sum())
    best = max(hits, key=lambda l2: hits[l2])
    _warn_of_an_end(best, hits, judges)
    return best


def _warn_of_an_end(best: float, hits: Mapping[float, int], judges: int) -> None:
    """Says so where the best choice is the first or the last, and not by chance."""
    choices = list(hits)
    if len(choices) < 3 or best not in (choices[0], choices[-1]):
        return
    beside = choices[1] if best == choices[0] else choices[-2]
    if hits[best] - hits[beside] > max(2, 0.002 * judges):
        warnings.warn(
            f"the best penalty, {best:g}, is an end of the choices {choices}: a "
            f"{'stronger' if best == choices[0] else 'weaker'} one may be better still",
            RuntimeWarning,
            stacklevel=3,
        )


def logistic_regression(
    train_features: Features,
    train_labels: Labels,
    test_features: Features,
    *,
    classes: int,
    l2: float,
    tolerance: float = 1e-4,
    max_iterations: int = 1000,
) -> Float[np.ndarray, "m classes"]:
    """Linear classification of frozen features, fitted to the optimum.

    No learning rate, no schedule, no seed, so numbers of different features compare.
    Minimises mean cross-entropy + l2/2 |W|^2 over standardised features (mean and
    deviation of the training rows), bias free, by L-BFGS on the host with the gradient
    on the devices of this process. Rows lie over them where a quarter of their memory
    holds all, and else pass through them block by block; the host makes one copy, on
    disk above 1 GiB (`sslax.scratch`). Warns where the optimum was not reached.

    Args:
      train_features: [n d].
      train_labels: [n], integers in [0, classes).
      test_features: [m d].
      classes: the number of classes of the data set.
      l2: the penalty, see `choose_l2`. C of scikit-learn is 1 / (n * l2).
      tolerance: stop when no entry of the (preconditioned) gradient is larger.
      max_iterations: stop here in any case.

    Returns:
      Logits [m classes].

    Raises:
      ValueError: for shapes that do not fit, labels out of range, l2 not above zero.

    Example:
      >>> import numpy as np
      >>> x = np.asarray([[-1.0], [-2.0], [1.0], [2.0]])
      >>> y = np.asarray([0, 0, 1, 1])
      >>> logistic_regression(x, y, x, classes=2, l2=0.1).argmax(1).tolist()
      [0, 0, 1, 1]

    References:
      Liu, Nocedal. On the limited memory BFGS method for large scale optimization.
      Mathematical Programming 45, 1989.
    """
    check_features(train_features=train_features, test_features=test_features)
    check_labels("train_labels", train_labels, train_features.shape[0], classes)
    check_positive(l2=l2)
    train, test = raised_numpy(train_features), raised_numpy(test_features)
    basis = basis_of(train)
    weights = fit(
        project(train, basis),
        np.asarray(train_labels),
        basis.power,
        classes=classes,
        l2=l2,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    return scores_of(project(test, basis), weights)
