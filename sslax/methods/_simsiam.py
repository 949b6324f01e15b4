"""SimSiam: predict the other view, which stands still."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import losses, models
from sslax.checks import check_positive
from sslax.core import Aux, Method, Net, compared
from sslax.nets import chain, each, readings, views_of

__all__ = ["simsiam"]


def simsiam(
    encoder: Net,
    *,
    hidden: int = 2048,
    dim: int = 2048,
    depth: int = 3,
    bottleneck: int = 512,
) -> Method:
    """One net predicts, from each view, what it projects of the other.

    No negatives and no teacher: the projection that is predicted gets no gradient, and
    that alone keeps all projections from becoming one. The two views pass one after the
    other, each with batch statistics of its own. The rate of the predictor stays at its
    peak: an optimizer in groups, see `optim.grouped` and configs/simsiam.py.

    Args:
      encoder: images [b h w c] to features [b d].
      hidden: width of the projector, that of the features in the paper.
      dim: dimension of projections and predictions.
      depth: layers of the projector: 3, or 2 on CIFAR-10.
      bottleneck: width of the predictor, a quarter of `dim` in the paper.

    Returns:
      A method with groups "encoder", "projector" and "predictor", for batches of
      `views.two_views`. Its metric "std" is the deviation of the unit projections over
      the batch, averaged over their channels: near 1 / sqrt(dim), and 0 where all
      images have become one, which the loss does not tell.

    Raises:
      ValueError: for a width or depth below 1; as the loss is traced, for another
        number of views than two, or a batch of one, which batch norm makes zero.

    Note:
      The released code has a bias before the projector's last batch norm, which takes
      it away again, and freezes it at its start; here there is none.

    Example:
      >>> method = simsiam(models.convnet(), hidden=128, dim=128, bottleneck=32)

    References:
      Chen and He, Exploring Simple Siamese Representation Learning, 2020,
      arXiv:2011.10566, equations 1 to 4 and algorithm 1.
    """
    check_positive(bottleneck=bottleneck)
    projector = models.mlp(
        hidden=hidden, dim=dim, depth=depth, last_norm="plain", last_bias=False
    )
    predictor = models.mlp(hidden=bottleneck, dim=dim)
    net = chain(encoder=encoder, projector=projector, predictor=predictor)

    def init(key, batch):
        params, stats = net.init(key, batch["views"][0])
        return params, {"stats": stats}

    def embed(params, extra, batch, *, key, step):
        del step
        views = views_of(batch, 2, least=2)
        out, stats = each(net, params, extra["stats"], views, key=key)
        found = [[one[name] for one in out] for name in ("predictor", "projector")]
        return found, {"stats": stats}

    def compare(params, extra, batch, embeddings, *, key, step):
        del params, batch, key, step
        (p1, p2), projections = embeddings
        z1, z2 = jax.lax.stop_gradient(projections)
        value = losses.negative_cosine(p1, z2) + losses.negative_cosine(p2, z1)
        deviations = [losses.unit(z).std(axis=0) for z in (z1, z2)]
        std = jnp.stack(deviations).mean()
        return value / 2, Aux(extra, {"std": std})

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare, separable=True)},
        outputs=readings(net, "encoder", encoder),
    )
