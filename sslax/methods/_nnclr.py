"""NNCLR: the positive of an image is its nearest neighbour among past images."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax import losses, memory, models
from sslax.checks import check_positive
from sslax.core import Aux, Method, Net, compared
from sslax.nets import chain, each, readings, views_of

__all__ = ["nnclr"]


def nnclr(
    encoder: Net,
    *,
    hidden: int = 2048,
    dim: int = 256,
    predictor_hidden: int = 4096,
    queue_size: int = 98304,
    temperature: float = 0.1,
) -> Method:
    """The neighbour of one view finds the prediction of the other in the batch.

    A queue of past projections, the support set, is searched by both views as it was
    before the step; then the projections of the first view take the places of the
    oldest. Neighbours are constants: only predictions have gradient. The views pass one
    after the other, each with batch statistics of its own; the batch is the global one.

    Args:
      encoder: images [b h w c] to features [b d].
      hidden: width of the projector, three layers with batch norm behind each.
      dim: dimension of projections and predictions.
      predictor_hidden: width of the predictor's hidden layer.
      queue_size: number of projections kept, at least the global batch; the paper finds
        that more are better.
      temperature: 0.1 on ImageNet.

    Returns:
      A method with groups "encoder", "projector" and "predictor", for batches of
      `views.two_views`. Its metric "neighbour" is the mean cosine of a projection and
      its neighbour, which rises as the queue fills: it starts as random directions.

    Raises:
      ValueError: for a width or size below 1, or a temperature that is not positive; as
        the loss is traced, for another number of views than two, a batch of one, or one
        that is larger than the queue.

    Note:
      There is no released code. The softmax is over the predictions of the batch, one
      direction for each view, as in the paper's pseudocode; lightly's NT-Xent of the
      pair is another loss.

    Example:
      >>> method = nnclr(
      ...     models.convnet(), hidden=64, dim=32, predictor_hidden=64, queue_size=512
      ... )

    References:
      Dwibedi et al., With a Little Help from My Friends: Nearest-Neighbor Contrastive
      Learning of Visual Representations, 2021, arXiv:2104.14548, equations 2 to 4.
    """
    check_positive(
        predictor_hidden=predictor_hidden,
        queue_size=queue_size,
        temperature=temperature,
    )
    projector = models.mlp(
        hidden=hidden, dim=dim, depth=3, last_norm="batch", last_bias=False
    )
    predictor = models.mlp(hidden=predictor_hidden, dim=dim)
    net = chain(encoder=encoder, projector=projector, predictor=predictor)

    def init(key, batch):
        net_key, queue_key = jax.random.split(key)
        params, stats = net.init(net_key, batch["views"][0])
        queue = losses.unit(jax.random.normal(queue_key, (queue_size, dim)))
        return params, {
            "stats": stats,
            "queue": queue,
            "head": jnp.zeros([], jnp.int32),
        }

    def embed(params, extra, batch, *, key, step):
        del step
        views = views_of(batch, 2, least=2)
        out, stats = each(net, params, extra["stats"], views, key=key)
        found = [[one[name] for one in out] for name in ("predictor", "projector")]
        return found, {"stats": stats}

    def compare(params, extra, batch, embeddings, *, key, step):
        del params, batch, key, step
        (p1, p2), projections = embeddings
        z1, z2 = jax.lax.stop_gradient([losses.unit(z) for z in projections])
        n1, n2 = (_nearest(extra["queue"], z) for z in (z1, z2))
        first = losses.info_nce(n1, p2, temperature=temperature)
        second = losses.info_nce(n2, p1, temperature=temperature)
        queue, head = memory.enqueue(extra["queue"], extra["head"], z1)
        cosines = jnp.sum(z1 * n1, axis=1)
        return (first + second) / 2, Aux(
            {**extra, "queue": queue, "head": head}, {"neighbour": cosines.mean()}
        )

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs=readings(net, "encoder", encoder),
    )


def _nearest(queue: Float[Array, "n d"], z: Float[Array, "b d"]) -> Float[Array, "b d"]:
    """The entry of the queue with the largest cosine, for each unit vector."""
    scores = jnp.matmul(z, queue.T, precision=jax.lax.Precision.HIGHEST)
    return queue[jnp.argmax(scores, axis=1)]
