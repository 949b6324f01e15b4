"""The linear probe: SGD on frozen features, by the recipes of the papers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from sslax import optim, schedules
from sslax.evaluate._checks import (
    Features,
    Labels,
    check_features,
    check_labels,
    check_positive,
    raised,
)

_OPTIMIZERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "sgd": optim.sgd,
        "nesterov": functools.partial(optim.sgd, nesterov=True),
        "lars": optim.lars_byol,
    }
)
_STEPS = dict(milestones=(60, 80))

PROBE_RECIPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "simclr": dict(
            optimizer="nesterov",
            learning_rate=0.1,
            batch_size=4096,
            epochs=90,
            weight_decay=1e-6,
            init_scale=0.0,
        ),
        "byol": dict(optimizer="nesterov", learning_rate=0.2, epochs=80),
        "moco": dict(learning_rate=30.0, batch_size=256, epochs=100, **_STEPS),
        "moco_v3_resnet": dict(learning_rate=0.1, batch_size=1024, epochs=90),
        "moco_v3_vit": dict(learning_rate=3.0, batch_size=1024, epochs=90),
        "simsiam": dict(
            optimizer="lars", learning_rate=0.1, batch_size=4096, epochs=90
        ),
        "swav": dict(learning_rate=0.3, batch_size=256, epochs=100, weight_decay=1e-6),
        "barlow_twins": dict(
            learning_rate=0.3, batch_size=256, epochs=100, weight_decay=1e-6
        ),
        "dino": dict(learning_rate=0.001, batch_size=1024, epochs=100),
        "mae": dict(
            optimizer="lars",
            learning_rate=0.1,
            batch_size=16384,
            epochs=90,
            warmup_epochs=10,
            batch_norm=True,
        ),
    }
)


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

    For comparison with published recipes, `PROBE_RECIPES` by name:
    `linear_probe(..., **PROBE_RECIPES["moco"])`; sets that are small want a smaller
    `batch_size` than theirs, the rate follows. `logistic_regression` needs no recipe.
    The whole training is one compiled call.

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
    return _train_and_score(
        raised(train_features),
        jnp.asarray(train_labels),
        raised(test_features),
        key,
        classes=classes,
        optimizer=optimizer,
        learning_rate=learning_rate * batch_size / 256,
        batch_size=batch_size,
        epochs=epochs,
        milestones=tuple(milestones),
        warmup_epochs=warmup_epochs,
        weight_decay=weight_decay,
        init_scale=init_scale,
        batch_norm=batch_norm,
    )


def _schedule(epochs, steps_per_epoch, milestones, warmup_epochs):
    if milestones:
        return schedules.step_decay(
            boundaries=milestones, factor=0.1, unit=steps_per_epoch
        )
    return schedules.warmup_cosine(
        steps=epochs * steps_per_epoch, warmup=warmup_epochs * steps_per_epoch
    )


def _normalised(x, mean, variance):
    return (x - mean) * jax.lax.rsqrt(variance + 1e-6)


@functools.partial(
    jax.jit,
    static_argnames=(
        "classes",
        "optimizer",
        "learning_rate",
        "batch_size",
        "epochs",
        "milestones",
        "warmup_epochs",
        "weight_decay",
        "init_scale",
        "batch_norm",
    ),
)
def _train_and_score(
    train,
    labels,
    test,
    key,
    *,
    classes,
    optimizer,
    learning_rate,
    batch_size,
    epochs,
    milestones,
    warmup_epochs,
    weight_decay,
    init_scale,
    batch_norm,
):
    (n, d), dtype = train.shape, train.dtype
    steps_per_epoch = n // batch_size
    tx = _OPTIMIZERS[optimizer](
        learning_rate=learning_rate,
        schedule=_schedule(epochs, steps_per_epoch, milestones, warmup_epochs),
        weight_decay=weight_decay,
    )
    key_init, key_order = jax.random.split(key)
    kernel = init_scale * jax.random.normal(key_init, (d, classes), dtype)
    params = {"kernel": kernel, "bias": jnp.zeros(classes, dtype)}
    running = (jnp.zeros(d, dtype), jnp.ones(d, dtype))

    def logits(params, x):
        return x @ params["kernel"] + params["bias"][None, :]

    def step(carry, rows):
        params, opt, running = carry
        x, y = train[rows], labels[rows]
        if batch_norm:
            mean, variance = jnp.mean(x, axis=0), jnp.var(x, axis=0)
            x = _normalised(x, mean[None, :], variance[None, :])
            unbiased = variance * batch_size / max(batch_size - 1, 1)
            running = optax.incremental_update((mean, unbiased), running, 0.1)

        def loss(params):
            scores = logits(params, x)
            return optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()

        updates, opt = tx.update(jax.grad(loss)(params), opt, params)
        return (optax.apply_updates(params, updates), opt, running), None

    def epoch(carry, key):
        order = jax.random.permutation(key, n)[: steps_per_epoch * batch_size]
        return jax.lax.scan(step, carry, order.reshape(steps_per_epoch, batch_size))

    carry = (params, tx.init(params), running)
    keys = jax.random.split(key_order, epochs)
    (params, _, running), _ = jax.lax.scan(epoch, carry, keys)
    if batch_norm:
        test = _normalised(test, running[0][None, :], running[1][None, :])
    return logits(params, test)
