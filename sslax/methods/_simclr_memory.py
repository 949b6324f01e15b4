"""SimCLR with a memory of negatives, as SimCLR v2 may have it."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import losses, memory
from sslax.checks import check_multiple, check_positive
from sslax.core import Aux, Method, Net, compared
from sslax.methods._contrast import head
from sslax.nets import by_size, chain, readings, views_of
from sslax.schedules import Schedule

__all__ = ["simclr_memory"]


def simclr_memory(
    encoder: Net,
    *,
    hidden: int = 2048,
    dim: int = 128,
    depth: int = 3,
    queue_size: int = 65536,
    momentum: Schedule | float = 0.999,
    temperature: float = 0.1,
    scale: float = 1.0,
) -> Method:
    """SimCLR whose negatives are those of the batch and a queue of a slow teacher's.

    The positive is the student's own other view, with gradient, as in SimCLR; a slow
    teacher's projections of earlier batches are negatives alone.

    Args:
      encoder: images to features [b d].
      hidden: width of the projector, the features' width in the paper.
      dim: dimension of the projections.
      depth: layers of the projector, 3 in SimCLR v2.
      queue_size: projections kept, a multiple of the global batch.
      momentum: of the teacher, a number or a schedule.
      temperature: 0.1 on ImageNet.
      scale: multiplies the loss, see `simclr`.

    Returns:
      A method with groups "encoder" and "projector", for batches of `views.two_views`.

    Raises:
      ValueError: if the temperature or the scale is not positive; when it is traced,
        for another number of views, a batch of one, or a queue that the batch does not
        divide.

    Note:
      The released code has no memory. Of what the paper leaves open: the queue starts
      from random directions, is read before this batch enters it, and takes one
      projection an image, of the second view; the teacher has batch statistics of its
      own.

    Example:
      >>> from sslax import models
      >>> method = simclr_memory(models.convnet(), hidden=128, dim=32, queue_size=512)

    References:
      Chen et al., Big Self-Supervised Models are Strong Semi-Supervised Learners, 2020,
      arXiv:2006.10029, section 2 (the memory); He et al., Momentum Contrast for
      Unsupervised Visual Representation Learning, 2019, arXiv:1911.05722.
    """
    check_positive(temperature=temperature, scale=scale)
    projector = head(hidden=hidden, dim=dim, depth=depth)
    net = chain(encoder=encoder, projector=projector)

    def init(key, batch):
        net_key, queue_key = jax.random.split(key)
        view = views_of(batch, 2, least=2)[0]
        check_multiple(len(view), queue_size=queue_size)
        params, stats = net.init(net_key, view)
        return params, {
            "stats": stats,
            "teacher": params,
            "teacher_stats": stats,
            "queue": losses.unit(jax.random.normal(queue_key, (queue_size, dim))),
            "head": jnp.zeros([], jnp.int32),
        }

    def embed(params, extra, batch, *, key, step):
        del step
        views, keys = views_of(batch, 2, least=2), jax.random.split(key)
        outputs, stats = by_size(net, params, extra["stats"], views, key=keys[0])
        taught, teacher_stats = net.apply(
            extra["teacher"],
            extra["teacher_stats"],
            views[1],
            train=True,
            key=keys[1],
        )
        z1, z2 = (out["projector"] for out in outputs)
        new = {"stats": stats, "teacher_stats": teacher_stats}
        return (z1, z2, taught["projector"]), new

    def compare(params, extra, batch, embeddings, *, key, step):
        del params, batch, key, step
        z1, z2, taught = embeddings
        check_multiple(len(taught), queue_size=queue_size)
        value = losses.nt_xent(z1, z2, extra["queue"], temperature=temperature)
        newest = jax.lax.stop_gradient(losses.unit(taught))
        queue, head = memory.enqueue(extra["queue"], extra["head"], newest)
        return scale * value, Aux({**extra, "queue": queue, "head": head})

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs=readings(net, "encoder", encoder),
        after_update=memory.follows(("encoder", "projector"), momentum=momentum),
    )
