"""Short runs that show whether a method tells images apart, or has collapsed."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import numpy as np

from sslax import evaluate, optim
from sslax.step import init_state, train_step

IMAGES, SEEDS, LAST = 512, 3, 100


class Ending(NamedTuple):
    """Means over the last steps and all seeds.

    Attributes:
      loss: of training.
      std: of unit embeddings by dimension, times the root of their number: 1 where they
        fill the sphere evenly, 0 where they are one.
      rank: RankMe of them, how many dimensions they have.
    """

    loss: float
    std: float
    rank: float


def after_training(method, read, *, steps=600, count=128, rate=0.1) -> Ending:
    """Trains with two noisy looks at a vector as its views.

    Args:
      method: what is trained, without small crops.
      read: of what the method compares, as its nets give it, the embeddings [b d].
      steps: of training.
      count: images of a batch, drawn anew in every step.
      rate: of learning.

    Returns:
      What it has become, on one batch.
    """
    drawn = np.random.default_rng(0).normal(size=(IMAGES, 2, 2, 3))
    vectors = drawn.astype(np.float32)
    txs = {"ssl": optim.sgd(learning_rate=rate, weight_decay=1e-4)}

    def looks(key, batch):
        del batch
        keys = jax.random.split(key, 3)
        x = jax.random.choice(keys[2], vectors, (count,), replace=False)
        return {"views": tuple(x + jax.random.normal(k, x.shape) for k in keys[:2])}

    def run(key):
        turn = functools.partial(train_step, method, txs, looks)
        embed = method.objectives["ssl"].parts.embed

        def one(state, _):
            now = {"key": key, "step": state.step}
            made, _ = embed(state.params, state.extra, looks(key, {}), **now)
            state, logs = turn(state, {}, key)
            return state, (logs["ssl/loss"], read(made))

        state = init_state(method, txs, looks, {}, key)
        return jax.lax.scan(one, state, length=steps)[1]

    with jax.enable_x64(False):
        keys = jax.random.split(jax.random.key(0), SEEDS)
        loss, made = jax.device_get(jax.jit(jax.vmap(run))(keys))
    made = made[:, -LAST:].astype(np.float64)
    made = made / np.linalg.norm(made, axis=-1, keepdims=True)
    std = made.std(axis=2).mean() * made.shape[-1] ** 0.5
    rank = np.mean([evaluate.rankme(x) for seed in made for x in seed])
    return Ending(float(loss[:, -LAST:].mean()), float(std), float(rank))
