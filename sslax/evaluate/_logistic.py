"""Multinomial logistic regression to the optimum (L-BFGS), for frozen features."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from sslax.evaluate._checks import (
    Features,
    Labels,
    check_features,
    check_labels,
    check_positive,
    raised_numpy,
)

# Curvature of softmax cross-entropy in a logit, p (1 - p), at ten equal classes. It
# only sets the units that L-BFGS works in; the optimum does not depend on it.
_CURVATURE = 0.09


def standardize(
    train: Float[np.ndarray, "n d"], test: Float[np.ndarray, "m d"]
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]:
    """Both with the mean and deviation of `train`; constant dimensions become zero."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    alive = deviation > 1e-5 * max(float(deviation.max()), 1e-30)
    scale = np.where(alive, 1.0 / np.where(alive, deviation, 1.0), 0.0)
    scale = scale.astype(train.dtype)
    return (train - mean) * scale, (test - mean) * scale


def eigenbasis(
    x: Float[np.ndarray, "n d"],
) -> tuple[Float[np.ndarray, "d r"], Float[np.ndarray, " r"]]:
    """An orthonormal basis of the rows' span, and the mean square along each vector.

    The penalty does not change under a rotation, and the optimum has no part outside
    the span of the rows, so a fit in this basis is the same fit, with r <= min(n, d)
    and with directions whose curvatures are known.
    """
    n, d = x.shape
    x64 = x.astype(np.float64)
    gram = (x64.T @ x64 if n >= d else x64 @ x64.T) / n
    power, vectors = np.linalg.eigh(gram)
    kept = power > 1e-9 * max(power[-1], 1e-30)
    power, vectors = power[kept], vectors[:, kept]
    if n < d:
        vectors = x64.T @ (vectors / np.sqrt(n * power))
    return vectors.astype(x.dtype), power


@jax.jit
def _objective(weights, scale, features, labels, l2):
    def loss(weights):
        logits = features @ (weights[:-1] * scale[:, None]) + weights[-1:]
        fit = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return fit + 0.5 * l2 * jnp.sum(jnp.square(weights[:-1] * scale[:, None]))

    return jax.value_and_grad(loss)(weights)


def fit(
    features: Float[Array, "n r"],
    labels: Int[Array, " n"],
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
    of iterations from hundreds to dozens.
    """
    from scipy import optimize

    dtype = features.dtype
    scale = np.append(1.0 / np.sqrt(_CURVATURE * power + l2), 1.0)[:, None]
    jax_scale = jnp.asarray(scale[:-1, 0], dtype)

    def value_and_gradient(flat):
        weights = jnp.asarray(flat.reshape(-1, classes), dtype)
        value, gradient = _objective(weights, jax_scale, features, labels, l2)
        return float(value), np.asarray(gradient, np.float64).ravel()

    shape = (features.shape[1] + 1, classes)
    first = np.zeros(shape) if start is None else start / scale
    found = optimize.minimize(
        value_and_gradient,
        first.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iterations, "gtol": tolerance, "ftol": 1e-9},
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
    optimum of the one before.

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
    order = np.asarray(jax.random.permutation(key, n))
    labels = np.asarray(train_labels)[order]
    features = raised_numpy(train_features)[order]
    fitted, judged = standardize(features[judges:], features[:judges])
    basis, power = eigenbasis(fitted)
    fitted, judged = jnp.asarray(fitted @ basis), judged @ basis
    jax_labels = jnp.asarray(labels[judges:])
    best, best_hits, weights = None, -1, None
    for l2 in sorted(choices, reverse=True):
        weights = fit(
            fitted,
            jax_labels,
            power,
            classes=classes,
            l2=l2,
            start=weights,
            tolerance=1e-3,
        )
        hits = int((scores_of(judged, weights).argmax(1) == labels[:judges]).sum())
        if hits > best_hits:
            best, best_hits = l2, hits
    return best


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

    For sets that fit into memory: no learning rate, no schedule, no seed, so numbers
    of different features compare. Minimises mean cross-entropy + l2/2 |W|^2 over
    standardised features (mean and deviation of the training rows), bias free, by
    L-BFGS on the host with the gradient on the device.

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
    train, test = standardize(raised_numpy(train_features), raised_numpy(test_features))
    basis, power = eigenbasis(train)
    weights = fit(
        jnp.asarray(train @ basis),
        jnp.asarray(train_labels),
        power,
        classes=classes,
        l2=l2,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    return scores_of(test @ basis, weights)
