"""MoCo v2: momentum contrast with a queue."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import losses, memory, models
from sslax.checks import check_multiple, check_positive
from sslax.core import Aux, Method, Net, compared
from sslax.nets import chain, readings, views_of
from sslax.schedules import Schedule

__all__ = ["moco"]


def moco(
    encoder: Net,
    *,
    hidden: int | None = 2048,
    dim: int = 128,
    queue_size: int = 65536,
    momentum: Schedule | float = 0.999,
    temperature: float = 0.2,
) -> Method:
    """Match a query to its key among the keys of a queue, made by a slow teacher.

    The groups of batch norm (`bn_groups` of the encoder) are drawn anew for the keys: a
    key is normalised beside other images than its query, and cannot be found by its
    statistics. This is the paper's shuffle of the images, which here stay where they
    are. The teacher moves by EMA of the parameters alone; its batch statistics are its
    own.

    Args:
      encoder: images to features [b d]; with batch norm, give it groups of 32 to 64
        images (`bn_groups`).
      hidden: width of the two-layer head, 2048 for ResNet-50; None is v1's linear head.
      dim: dimension of queries and keys.
      queue_size: number of keys kept, a multiple of the global batch.
      momentum: of the teacher, a number or a schedule.
      temperature: 0.2 in v2, 0.07 in v1.

    Returns:
      A method with groups "encoder" and "projector", for batches of `views.two_views`;
      the first view is the query.

    Raises:
      ValueError: if the temperature is not positive; as the loss is traced, for another
        number of views than two, or a queue that the batch does not divide.

    Example:
      >>> method = moco(models.convnet(), hidden=128, dim=32, queue_size=512)

    References:
      He et al., Momentum Contrast for Unsupervised Visual Representation Learning,
      2019, arXiv:1911.05722, algorithm 1 and section 3.3; Chen et al., Improved
      Baselines with Momentum Contrastive Learning, 2020, arXiv:2003.04297.
    """
    check_positive(temperature=temperature)
    net = chain(encoder=encoder, projector=_head(hidden, dim))

    def init(key, batch):
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
        (query_view, key_view), keys = views_of(batch, 2), jax.random.split(key, 3)
        q, stats = net.apply(
            params, extra["stats"], query_view, train=True, key=keys[0]
        )
        order = jax.random.permutation(keys[2], key_view.shape[0])
        k, teacher_stats = net.apply(
            extra["teacher"],
            extra["teacher_stats"],
            key_view,
            train=True,
            key=keys[1],
            order=order,
        )
        new = {"stats": stats, "teacher_stats": teacher_stats}
        return (q["projector"], k["projector"]), new

    def compare(params, extra, batch, embeddings, *, key, step):
        del params, batch, key, step
        q, k = embeddings
        check_multiple(len(k), queue_size=queue_size)
        k = jax.lax.stop_gradient(losses.unit(k))
        value = losses.info_nce(q, k, extra["queue"], temperature=temperature)
        queue, head = memory.enqueue(extra["queue"], extra["head"], k)
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
