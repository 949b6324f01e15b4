"""What NumPy needs to follow a method: stub nets, steps, slopes, layers by formula.

A test writes the loss of its paper as `loss(params, extra, batch) -> float`. `follow`
trains three steps, holds each loss to it, and each update to its slope by finite
differences in which only `params` moves: what is in `extra` must get no gradient, and
so must what is computed of `extra["still"]`, the same parameters.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.special import erf

from sslax.core import Net
from sslax.step import init_state, train_step

RATE = 0.3


class Step(NamedTuple):
    """The state before a step of training, its batch, what it logged, and after."""

    before: Any
    batch: Any
    metrics: Any
    after: Any


def linear(dim, *, norm=False):
    """A net of one matrix over flattened images, without bias or statistics.

    With `norm` its outputs are those of batch norm, so that it shows which images pass
    together.
    """

    def init(key, x):
        size = int(np.prod(x.shape[1:]))
        return {"w": jax.random.normal(key, (size, dim)) / size**0.5}, {}

    def apply(params, stats, x, *, train=False, key=None, order=None):
        del train, key, order
        x = x.reshape(len(x), -1) @ params["w"]
        return (batch_norm(x, {}) if norm else x), stats

    return Net(init, apply)


def colours(dim):
    """A net of one matrix over the mean colours of images of any size.

    It counts in its statistics how often it was trained on.
    """

    def init(key, x):
        matrix = jax.random.normal(key, (x.shape[-1], dim))
        return {"w": matrix}, {"calls": jnp.zeros([], jnp.int32)}

    def apply(params, stats, x, *, train=False, key=None, order=None):
        del key, order
        return x.mean(axis=(1, 2)) @ params["w"], {"calls": stats["calls"] + train}

    return Net(init, apply)


def wide(method):
    """A method with a `dino_head` whose layers are thirty times as large.

    It starts so near to 0 that steps of finite differences would be large.
    """

    def stretched(nets):
        head = {
            name: jax.tree.map(lambda p: 30 * p, layer) if "linear" in name else layer
            for name, layer in nets["head"].items()
        }
        return {**nets, "head": head}

    def init(key, batch):
        params, extra = method.init(key, batch)
        return stretched(params), {**extra, "teacher": stretched(extra["teacher"])}

    return dataclasses.replace(method, init=init)


def cells(dim):
    """A net of one matrix over the channels: a map, and its mean as the main output."""

    def init(key, x):
        return {"w": jax.random.normal(key, (x.shape[-1], dim))}, {}

    def apply(params, stats, x, *, train=False, key=None, order=None):
        del train, key, order
        maps = x @ params["w"]
        return {"pooled": maps.mean(axis=(1, 2)), "map": maps}, stats

    return Net(init, apply, ("pooled", "map"))


def train(method, batches, *, rate=RATE):
    """A step of plain gradient descent on each batch, as views would have made it."""

    def as_is(key, batch):
        del key
        return batch

    txs = {name: optax.sgd(rate) for name in method.objectives}
    batches = jax.device_put(batches)
    state = init_state(method, txs, as_is, batches[0], jax.random.key(1))
    state = jax.tree.map(_doubled, state)
    step = jax.jit(functools.partial(train_step, method, txs, as_is))
    steps = []
    for batch in batches:
        after, metrics = step(state, batch, jax.random.key(2))
        steps.append(Step(*jax.device_get((state, batch, metrics, after))))
        state = after
    return steps


def trace(method, batch):
    """Init and the only loss on a batch of views, as before the first step."""
    ((_, objective),) = method.objectives.items()

    def run(key, batch):
        params, extra = method.init(key, batch)
        return objective.loss(params, extra, batch, key=key, step=jnp.zeros([], int))

    return jax.eval_shape(run, jax.random.key(0), batch)


def _doubled(x):
    return x.astype(np.float64) if x.dtype == np.float32 else x


def follow(method, batches, loss, *, slope=None):
    """Trains, and holds values and updates to `loss`, of the only objective or by name.

    The updates are held to `slope`, where what is held still makes it another function.
    They are taken in the order of `loss`: each begins with what those before it moved.
    """
    steps = train(method, batches)
    if not isinstance(loss, Mapping):
        ((name, _),) = method.objectives.items()
        loss = {name: loss}
    for before, batch, metrics, after in steps:
        for name in loss:
            objective = method.objectives[name]
            value = loss[name](before.params, _still(before), batch)
            np.testing.assert_allclose(metrics[f"{name}/loss"], value, rtol=1e-9)
            groups = objective.wrt or tuple(before.params)
            for group in groups:
                _hold_to_slope(group, before, batch, after, slope or loss[name])
            moved = {group: after.params[group] for group in groups}
            params = {**before.params, **moved}
            before = dataclasses.replace(before, params=params)
    return steps


def _still(before):
    return {**before.extra, "still": before.params}


def _hold_to_slope(group, before, batch, after, loss):
    rng = np.random.default_rng(0)
    params, size = before.params, 1e-6
    step = jax.tree.map(lambda p: rng.normal(size=p.shape) * size, params[group])

    def at(sign):
        moved = jax.tree.map(lambda p, d: p + sign * d, params[group], step)
        return loss({**params, group: moved}, _still(before), batch)

    gradient = jax.tree.map(
        lambda p, q: (p - q) / RATE, params[group], after.params[group]
    )
    products = jax.tree.map(lambda g, d: np.sum(g * d), gradient, step)
    got = sum(jax.tree.leaves(products)) / size
    np.testing.assert_allclose(got, (at(1) - at(-1)) / (2 * size), rtol=1e-4, atol=1e-7)


def flat(x, params):
    """What `linear` computes."""
    return x.reshape(len(x), -1) @ params["w"]


def dense(x, params):
    """A linear layer."""
    return x @ params["kernel"] + params.get("bias", 0.0)


def batch_norm(x, params):
    """Batch norm in training: the statistics are those of `x`."""
    mean, var = x.mean(0, keepdims=True), x.var(0, keepdims=True)
    x = (x - mean) / (var + 1e-5) ** 0.5
    return x * params.get("scale", 1.0) + params.get("bias", 0.0)


def mlp(x, params):
    """Linear layers with ReLU between, and batch norm where it has parameters."""
    depth = sum(name.startswith("linear") for name in params)
    for i in range(1, depth + 1):
        x = dense(x, params[f"linear{i}"])
        if f"bn{i}" in params:
            x = batch_norm(x, params[f"bn{i}"])
        x = np.maximum(x, 0) if i < depth else x
    return x


def gelu(x):
    """The exact one."""
    return x * (1 + erf(x / np.sqrt(2))) / 2


def softmax(x):
    """Over the last axis."""
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def prototypes(x, head, last="prototypes"):
    """What a `dino_head` with three layers makes of features."""
    x = gelu(dense(gelu(dense(x, head["linear1"])), head["linear2"]))
    kernel = unit(head[last]["kernel"].T).T * head[last].get("gain", 1.0)
    return unit(dense(x, head["linear3"])) @ kernel


def on_cells(layers, x, params):
    """Layers on the cells of maps `[b h w d]`; statistics are over all of them."""
    out = layers(x.reshape(-1, x.shape[-1]), params)
    return out.reshape(*x.shape[:-1], -1)


def unit(x):
    """Rows of unit length."""
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def projected(params, views, *, together, norm=False):
    """Unit projections of views, all in one pass of batch norm or one after the other.

    The encoder is `linear`, with `norm` or without, the projector an `mlp`.
    """

    def through(x):
        x = flat(x, params["encoder"])
        x = batch_norm(x, {}) if norm else x
        return unit(mlp(x, params["projector"]))

    if together:
        return np.split(through(np.concatenate(views)), len(views))
    return [through(view) for view in views]


def cross_entropy(logits, label):
    """Of one example, by the definition."""
    return -np.log(np.exp(logits[label]) / np.exp(logits).sum())


def equal(got, wanted):
    """Trees of equal numbers."""
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12),
        got,
        wanted,
    )
