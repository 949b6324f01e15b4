"""The wiring of MoCo and of what changes no more than its views and loss."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax import losses, memory, models
from sslax.checks import check_multiple
from sslax.core import Aux, Method, Net, compared
from sslax.nets import chain, readings, views_of
from sslax.schedules import Schedule

__all__ = ["queued"]


def queued(
    encoder: Net,
    loss: Callable[..., Array],
    *,
    count: int,
    hidden: int | None,
    dim: int,
    queue_size: int,
    momentum: Schedule | float,
) -> Method:
    """A query and its keys, which a slow teacher makes; the first enters a queue.

    The groups of batch norm are drawn anew for every key, see `moco`.

    Args:
      encoder: images to features [b d].
      loss: `(query, keys, queue, batch) -> scalar`, of projections of any length and
        unit keys [count - 1] of [b dim] without gradient.
      count: views of an image, the query's first.
      hidden: width of the two-layer head; None is a linear head.
      dim: dimension of queries and keys.
      queue_size: number of keys kept, a multiple of the global batch.
      momentum: of the teacher, a number or a schedule.

    Returns:
      A method with groups "encoder" and "projector".
    """
    net = chain(encoder=encoder, projector=_head(hidden, dim))

    def init(key, batch):
        check_multiple(len(batch["views"][0]), queue_size=queue_size)
        net_key, queue_key = jax.random.split(key)
        params, stats = net.init(net_key, batch["views"][0])
        queue = losses.unit(jax.random.normal(queue_key, (queue_size, dim)))
        return params, {
            "stats": stats,
            "teacher": params,
            "teacher_stats": stats,
            "queue": queue,
            "head": jnp.zeros([], jnp.int32),
        }

    def embed(params, extra, batch, *, key, step):
        del step
        query, *others = views_of(batch, count)
        first, *keys = jax.random.split(key, 1 + 2 * len(others))
        q, stats = net.apply(params, extra["stats"], query, train=True, key=first)
        made, teacher_stats = [], extra["teacher_stats"]
        pairs = zip(others, keys[::2], keys[1::2], strict=True)
        for view, net_key, order_key in pairs:
            order = jax.random.permutation(order_key, view.shape[0])
            k, teacher_stats = net.apply(
                extra["teacher"],
                teacher_stats,
                view,
                train=True,
                key=net_key,
                order=order,
            )
            made.append(k["projector"])
        new = {"stats": stats, "teacher_stats": teacher_stats}
        return (q["projector"], *made), new

    def compare(params, extra, batch, embeddings, *, key, step):
        del params, key, step
        q, *made = embeddings
        check_multiple(len(q), queue_size=queue_size)
        keys = [jax.lax.stop_gradient(losses.unit(k)) for k in made]
        value = loss(q, keys, extra["queue"], batch)
        queue, head = memory.enqueue(extra["queue"], extra["head"], keys[0])
        return value, Aux({**extra, "queue": queue, "head": head})

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs=readings(net, "encoder", encoder),
        after_update=memory.follows(("encoder", "projector"), momentum=momentum),
    )


def _head(hidden: int | None, dim: int) -> Net:
    if hidden is None:
        return models.linear(dim=dim)
    return models.mlp(hidden=hidden, dim=dim, norm=None, bias=True)
