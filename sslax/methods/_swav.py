"""SwAV: predict from one crop to which prototypes another belongs."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from sslax import losses, memory, models
from sslax.checks import check_multiple, check_not_negative, check_positive
from sslax.core import Aux, Method, Net, compared
from sslax.methods._crops import by_image
from sslax.nets import chain, project_crops, readings, views_of

__all__ = ["swav"]


def swav(
    encoder: Net,
    *,
    hidden: int = 2048,
    dim: int = 128,
    prototypes: int = 3000,
    temperature: float = 0.1,
    epsilon: float = 0.05,
    iterations: int = 3,
    queue_size: int = 0,
    queue_start: int = 0,
) -> Method:
    """Codes of the two large crops, balanced over prototypes, are predicted by others.

    A code is an assignment of Sinkhorn to all prototypes alike, over the global batch;
    every other crop predicts it. Small crops have no codes. After each update the
    prototypes go back to unit length. Small batches add a queue of earlier embeddings
    to the samples that are balanced: it begins at `queue_start`, and is used once it is
    full. The prototypes rest in the first epoch by the optimizer:
    `optim.frozen(..., match=("prototypes",), steps=...)`.

    Args:
      encoder: images of the sizes of all crops to features [b d].
      hidden: width of the head.
      dim: dimension of the sphere.
      prototypes: their number; a batch, with its queue, of less than a tenth of it
        cannot be spread over them.
      temperature: of the predictions.
      epsilon: of the codes; small is sharp.
      iterations: rounds of Sinkhorn.
      queue_size: embeddings kept of each large crop, a multiple of the global batch; 0
        keeps none.
      queue_start: the step at which the queue begins to fill.

    Returns:
      A method with groups "encoder" and "head", for batches of `views.multi_crop` or
      `views.two_views`; the first two views have codes.

    Raises:
      ValueError: if a number is out of range; and, when it is called, if there are
        fewer than two views or two images, or the batch does not divide the queue.

    Note:
      The released code brings the prototypes to unit length before a step, here it
      happens at the start and after each update: steps are the same, and those of a
      finished run have unit length. A queue is a multiple of the batch, to which the
      released code rounds it down.

    Example:
      >>> method = swav(models.convnet(), hidden=128, dim=32, prototypes=100)

    References:
      Caron et al., Unsupervised Learning of Visual Features by Contrasting Cluster
      Assignments, 2020, arXiv:2006.09882, equations 1 to 6 and sections 3.2 and 3.3.
    """
    check_positive(temperature=temperature, epsilon=epsilon, iterations=iterations)
    check_not_negative(queue_size=queue_size, queue_start=queue_start)
    head = models.swav_head(hidden=hidden, dim=dim, prototypes=prototypes)
    net = chain(encoder=encoder, head=head)
    balanced = jax.vmap(
        functools.partial(losses.sinkhorn, epsilon=epsilon, iterations=iterations)
    )

    def init(key, batch):
        check_multiple(len(batch["views"][0]), queue_size=queue_size)
        params, stats = net.init(key, batch["views"][0])
        queue = jnp.zeros((2, queue_size, dim), jnp.float32)
        return params, {"stats": stats, **({"queue": queue} if queue_size else {})}

    def embed(params, extra, batch, *, key, step):
        del step
        views = views_of(batch, 2, least=2, more=True)
        found, stats = project_crops(
            encoder, head, params, extra["stats"], views, key=key
        )
        return by_image(found), {"stats": stats}

    def compare(params, extra, batch, embeddings, *, key, step):
        del batch, key
        z, scores = by_image(embeddings)
        check_multiple(z.shape[1], queue_size=queue_size)
        kernel = params["head"]["prototypes"]["kernel"]
        large, own, kernel = jax.lax.stop_gradient((z[:2], scores[:2], kernel))
        if queue_size:
            queue = extra["queue"]
            codes = _among_queue(balanced, queue, kernel, own)
            pushed = jax.vmap(memory.push)(queue, large)
            extra = {**extra, "queue": jnp.where(step >= queue_start, pushed, queue)}
        else:
            codes = balanced(own)
        return losses.swav(scores, codes, temperature=temperature), Aux(extra)

    def after_update(params, extra, *, step):
        del step
        return {**params, "head": models.unit_prototypes(params["head"])}, extra

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs=readings(net, "encoder", encoder),
        after_update=after_update,
    )


def _among_queue(balanced, queue, kernel, scores):
    """Codes of a batch `[2 b k]` beside the queue, once that is full."""

    def together():
        every = jnp.concatenate([queue @ kernel, scores], axis=1)
        return balanced(every)[:, queue.shape[1] :]

    full = jnp.any(queue[:, -1] != 0)
    return jax.lax.cond(full, together, lambda: balanced(scores))
