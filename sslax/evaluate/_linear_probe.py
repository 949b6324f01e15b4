"""The linear probe: SGD on frozen features, by the recipes of the papers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float

from sslax import optim, schedules
from sslax.checks import check_positive
from sslax.evaluate import _rows
from sslax.evaluate._checks import (
    Features,
    Labels,
    check_features,
    check_labels,
    raised_numpy,
)

_OPTIMIZERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "sgd": optim.sgd,
        "nesterov": functools.partial(optim.sgd, nesterov=True),
        "lars": optim.lars_byol,
    }
)
# Numbers of features of the steps that run at once.
_SENT = 2**26
_HIGHEST = jax.lax.Precision.HIGHEST


def linear_probe(
    train_features: Features,
    train_labels: Labels,
    test_features: Features,
    *,
    classes: int,
    key: Array,
    optimizer: str = "sgd",
    learning_rate: float = 0.1,
    batch_size: int = 256,
    epochs: int = 90,
    milestones: tuple[int, ...] = (),
    warmup_epochs: int = 0,
    weight_decay: float = 0.0,
    init_scale: float = 0.01,
    batch_norm: bool = False,
) -> Float[Array, "m classes"]:
    """A linear classifier trained on frozen features as the papers train theirs.

    For comparison with published recipes; sets that are small want a smaller
    `batch_size` than theirs, the rate follows. `logistic_regression` needs no recipe.
    Features lie by rows over the devices of this process where a quarter of their
    memory holds all, and else stay on the host and pass a device a few batches at a
    time.

    Args:
      train_features: [n d], as they come: not normalised, not standardised.
      train_labels: [n], integers in [0, classes).
      test_features: [m d].
      classes: the number of classes of the data set.
      key: of the initial weights and of the order of examples.
      optimizer: "sgd", "nesterov" (both with momentum 0.9) or "lars".
      learning_rate: peak rate for a batch of 256; it is scaled by batch_size / 256.
      batch_size: at most n; the rows that are left over in an epoch are passed over.
      epochs: passes over the training rows.
      milestones: epochs at which the rate falls to a tenth; none is a cosine to 0.
      warmup_epochs: epochs of linear rise from 0, part of `epochs`.
      weight_decay: coupled; also of the bias, save under LARS.
      init_scale: deviation of the normal initial weights; the bias starts at 0.
      batch_norm: normalise features by a batch norm without scale and shift (epsilon
        1e-6), as MAE does.

    Returns:
      Logits [m classes].

    Raises:
      ValueError: for shapes that do not fit, labels out of range, a batch above n, an
        unknown optimizer, or milestones together with a warm-up.

    Example:
      >>> import jax, numpy as np
      >>> x = np.asarray([[-1.0], [-2.0], [1.0], [2.0]], np.float32)
      >>> y = np.asarray([0, 0, 1, 1])
      >>> scores = linear_probe(
      ...     x, y, x, classes=2, key=jax.random.key(0), batch_size=2, epochs=20,
      ...     learning_rate=30.0,
      ... )
      >>> scores.argmax(1).tolist()
      [0, 0, 1, 1]

    References:
      Chen et al., A Simple Framework for Contrastive Learning, 2020, arXiv:2002.05709,
      appendix B.6; He et al., Momentum Contrast, 2020, arXiv:1911.05722, section 4.1;
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, table 10.

    Note:
      The papers augment the training images (crop and flip) anew in each epoch; here
      features are computed once. The rate follows the step; MoCo v3, SimSiam and
      others hold it for an epoch.
    """
    check_features(train_features=train_features, test_features=test_features)
    n = train_features.shape[0]
    check_labels("train_labels", train_labels, n, classes)
    check_positive(learning_rate=learning_rate, batch_size=batch_size, epochs=epochs)
    if batch_size > n:
        raise ValueError(
            f"batch_size={batch_size} of {n} training rows; pass {n} or less, the "
            "learning rate is scaled with it"
        )
    if optimizer not in _OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {', '.join(_OPTIMIZERS)}, got {optimizer!r}"
        )
    if milestones and warmup_epochs:
        raise ValueError(
            f"milestones={milestones} with warmup_epochs={warmup_epochs}: the rate has "
            "either steps or a warm-up and a cosine"
        )
    recipe = _Recipe(
        optimizer=optimizer,
        learning_rate=learning_rate * batch_size / 256,
        batch_size=batch_size,
        epochs=epochs,
        steps_per_epoch=n // batch_size,
        milestones=tuple(milestones),
        warmup_epochs=warmup_epochs,
        weight_decay=weight_decay,
        batch_norm=batch_norm,
    )
    train, labels = raised_numpy(train_features), np.asarray(train_labels)
    key_init, key_order = jax.random.split(key)
    carry = _start(key_init, train[:1], init_scale, classes=classes, recipe=recipe)
    mesh, batches = _batches(train)
    carry = _rows.everywhere(carry, mesh)
    for epoch_key in jax.random.split(key_order, epochs):
        for rows in _orders(epoch_key, n, train.shape[1], recipe):
            before = carry
            carry = _steps(carry, batches(rows), labels[rows], recipe=recipe)
            jax.block_until_ready(before)  # or all of the epoch would be sent at once
    params, _, running = jax.device_get(carry)
    test = raised_numpy(test_features)
    size = max(1, _SENT // (test.shape[1] + classes))
    scores = [
        _scores(params, running, test[i : i + size], batch_norm=batch_norm)
        for i in range(0, len(test), size)
    ]
    return jnp.concatenate(scores)


class _Recipe(NamedTuple):
    """What a step depends on; each value is one compilation."""

    optimizer: str
    learning_rate: float
    batch_size: int
    epochs: int
    steps_per_epoch: int
    milestones: tuple[int, ...]
    warmup_epochs: int
    weight_decay: float
    batch_norm: bool


def _batches(train: np.ndarray) -> tuple[Mesh | None, Callable[[np.ndarray], Any]]:
    """Where features lie, and what gives rows [s b] of them as [s b d]."""
    mesh = _rows.mesh_for(train)
    if not _rows.fits(train, mesh):
        return None, lambda rows: train[rows]
    size = _rows.block_size(len(train), len(train), mesh)
    here = jnp.asarray(_rows.block(train, 0, size, mesh))
    return mesh, lambda rows: _rows.taken(here, rows, mesh)


def _optimizer(recipe: _Recipe) -> optax.GradientTransformation:
    if recipe.milestones:
        schedule = schedules.step_decay(
            boundaries=recipe.milestones, factor=0.1, unit=recipe.steps_per_epoch
        )
    else:
        schedule = schedules.warmup_cosine(
            steps=recipe.epochs * recipe.steps_per_epoch,
            warmup=recipe.warmup_epochs * recipe.steps_per_epoch,
        )
    return _OPTIMIZERS[recipe.optimizer](
        learning_rate=recipe.learning_rate,
        schedule=schedule,
        weight_decay=recipe.weight_decay,
    )


def _orders(key, n: int, width: int, recipe: _Recipe) -> Iterator[np.ndarray]:
    """Rows of the batches of one epoch, [steps batch], so many as are sent at once."""
    steps, size = recipe.steps_per_epoch, recipe.batch_size
    order = np.asarray(jax.random.permutation(key, n))[: steps * size]
    order = order.reshape(steps, size)
    together = max(1, _SENT // (size * width))
    for start in range(0, steps, together):
        yield order[start : start + together]


def _normalised(x, mean, variance):
    return (x - mean) * jax.lax.rsqrt(variance + 1e-6)


def _logits(params, x):
    return jnp.matmul(x, params["kernel"], precision=_HIGHEST) + params["bias"][None]


@functools.partial(jax.jit, static_argnames=("classes", "recipe"))
def _start(key, x, init_scale, *, classes, recipe):
    d, dtype = x.shape[1], x.dtype
    kernel = init_scale * jax.random.normal(key, (d, classes), dtype)
    params = {"kernel": kernel, "bias": jnp.zeros(classes, dtype)}
    running = (jnp.zeros(d, dtype), jnp.ones(d, dtype))
    return params, _optimizer(recipe).init(params), running


@functools.partial(jax.jit, static_argnames=("recipe",))
def _steps(carry, features, labels, *, recipe):
    """Some steps, one for each batch of features [s b d]."""
    tx = _optimizer(recipe)

    def step(carry, batch):
        params, opt, running = carry
        x, y = batch
        if recipe.batch_norm:
            mean, variance = jnp.mean(x, axis=0), jnp.var(x, axis=0)
            x = _normalised(x, mean[None, :], variance[None, :])
            unbiased = variance * len(x) / max(len(x) - 1, 1)
            running = optax.incremental_update((mean, unbiased), running, 0.1)

        def loss(params):
            scores = _logits(params, x)
            return optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()

        updates, opt = tx.update(jax.grad(loss)(params), opt, params)
        return (optax.apply_updates(params, updates), opt, running), None

    return jax.lax.scan(step, carry, (features, labels))[0]


@functools.partial(jax.jit, static_argnames=("batch_norm",))
def _scores(params, running, x, *, batch_norm):
    if batch_norm:
        x = _normalised(x, running[0][None, :], running[1][None, :])
    return _logits(params, x)
