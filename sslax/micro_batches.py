"""A batch in micro-batches: large batches in the memory of small ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax.arrays import spread
from sslax.core import Aux, Loss, Objective, Parts

__all__ = ["averaged_gradients", "in_micro_batches", "of_drawn"]


def averaged_gradients(
    grad: Callable[..., tuple[tuple[Array, Any], Any]],
    count: int,
    *,
    between: Callable[[Any], Any] = lambda mean: mean,
) -> Callable[..., tuple[tuple[Array, Any], Any]]:
    """Averages value and gradient over micro-batches, for separable losses.

    Args:
      grad: `(live, extra, batch, key) -> ((value, aux), gradient)`.
      count: how many micro-batches; each has a key of its own, and `extra` passes
        through them.
      between: called on the mean so far before a micro-batch is added to it.

    Returns:
      A function of the same arguments and results.
    """

    def averaged(live, extra, batch, key):
        def one(carry, inputs):
            extra, mean = carry
            i, micro = inputs
            (value, aux), grads = grad(live, extra, micro, jax.random.fold_in(key, i))
            mean = jax.tree.map(lambda m, g: m + g / count, between(mean), grads)
            return (aux.extra, mean), (value, aux.metrics)

        zeros = jax.tree.map(jnp.zeros_like, live)
        inputs = (jnp.arange(count), _split(batch, count))
        (extra, mean), logs = jax.lax.scan(one, (extra, zeros), inputs)
        value, metrics = jax.tree.map(lambda x: x.mean(axis=0), logs)
        return (value, Aux(extra, metrics)), mean

    return averaged


def in_micro_batches(parts: Parts, count: int) -> Loss:
    """The loss of a whole batch whose images pass the nets in micro-batches.

    The embeddings of all are kept and compared at once; what the nets have computed on
    the way is forgotten, and computed again, micro-batch by micro-batch, when the
    gradient comes back. So negatives, queues and correlations are those of the whole
    batch, at the activations of a part of it and a forward pass more.

    Value and gradient are those of the loss in one piece, up to rounding, where images
    see each other in no net: without batch norm, or where its groups are as large as
    here. That is `bn_groups=g` in micro-batches beside `bn_groups=g * count` in one
    piece. Statistics of batch norm are those of a micro-batch, and running ones move
    with each of them. Dropout and MoCo's shuffle draw for each micro-batch.

    Args:
      parts: the loss, see `core.Parts`.
      count: how many micro-batches, of neighbours in the batch.

    Returns:
      A loss `(params, extra, batch, *, key, step) -> (scalar, Aux)`.

    Raises:
      ValueError: when it is traced, if the micro-batches do not divide the batch, or
        the devices a micro-batch.

    Example:
      >>> from sslax import methods, models
      >>> method = methods.simclr(models.convnet(widths=(4,)), hidden=8, dim=4)
      >>> loss = in_micro_batches(method.objectives["ssl"].parts, 2)
      >>> key, views = jax.random.key(0), (jnp.ones((8, 8, 8, 3)),) * 2
      >>> state = *method.init(key, {"views": views}), {"views": views}
      >>> loss(*state, key=key, step=0)[0].shape
      ()

    References:
      Gao et al., Scaling Deep Contrastive Learning Batch Size under Memory Limited
      Setup, 2021, arXiv:2101.06983, section 3.
    """

    def loss(params, extra, batch, *, key, step):
        def embed(changed, inputs):
            key, micro = inputs
            now = {**extra, **changed}
            embeddings, new = parts.embed(params, now, micro, key=key, step=step)
            return new, embeddings

        keys = jax.random.split(jax.random.fold_in(key, count), count)
        inputs = (keys, _split(batch, count))
        first = jax.tree.map(lambda x: x[0], inputs)
        # Only what changes is carried: a gradient keeps a carry for each micro-batch.
        names = jax.eval_shape(embed, {}, first)[0]
        changed, embeddings = jax.lax.scan(
            jax.checkpoint(embed, prevent_cse=False),
            {name: extra[name] for name in names},
            inputs,
        )
        embeddings = jax.tree.map(_joined, embeddings)
        extra = {**extra, **changed}
        return parts.compare(params, extra, batch, embeddings, key=key, step=step)

    return loss


def of_drawn(objective: Objective, make: Callable[[Any, Any], Any]) -> Objective:
    """An objective of batches whose views are made when a function of it is called.

    So a micro-batch's views are made with it, and forgotten with it. What compares the
    embeddings of all may read labels and places of a whole batch, which cost nothing;
    if it read views, they would be made at once.

    Args:
      objective: of batches that views have made.
      make: `(drawn, batch) -> batch`, see `core.Drawn`.

    Returns:
      The same of batches `(drawn, batch)`.
    """

    def after(function):
        def seeing(params, extra, batch, *embeddings, **rest):
            return function(params, extra, make(*batch), *embeddings, **rest)

        return seeing

    parts = objective.parts and Parts(*map(after, objective.parts))
    return dataclasses.replace(objective, loss=after(objective.loss), parts=parts)


def _split(batch: Any, count: int) -> Any:
    """Neighbours of the batch in micro-batches `[count m ...]`, each over all devices.

    Neighbours, as batch norm in groups has them. Their way to other devices is short
    beside the passes of a net.
    """
    mesh = jax.sharding.get_abstract_mesh()
    ways = 1 if mesh.empty else mesh.size

    def one(x):
        size = x.shape[0]
        if size % count:
            raise ValueError(f"accumulate={count} does not divide the batch of {size}")
        if size // count % ways:
            raise ValueError(
                f"accumulate={count} splits the batch of {size} into micro-batches of "
                f"{size // count}, which {ways} devices do not divide"
            )
        x = x.reshape(count, -1, *x.shape[1:])
        if mesh.empty:
            return x
        spec = jax.sharding.PartitionSpec(None, mesh.axis_names)
        return jax.lax.with_sharding_constraint(x, spec)

    return jax.tree.map(one, batch)


def _joined(x: Array) -> Array:
    """`[count m ...]` as `[count*m ...]`."""
    return spread(x.reshape(-1, *x.shape[2:]))
