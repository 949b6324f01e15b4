"""The wiring of SimCLR and of all that changes no more than its heads and loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Array

from sslax import models
from sslax.core import Aux, Method, Net, compared
from sslax.nets import by_size, chain, readings, views_of

__all__ = ["contrast", "head"]


def head(*, hidden: int, dim: int, depth: int) -> Net:
    """SimCLR's projector, as TensorFlow has it: features [b d] to projections [b dim].

    Args:
      hidden: its width.
      dim: dimension of the projections.
      depth: its layers.

    Returns:
      The net; its last norm has a scale and no offset.
    """
    return models.mlp(
        hidden=hidden,
        dim=dim,
        depth=depth,
        last_norm="scale",
        last_bias=False,
        init="normal",
        bn_unbiased=False,
    )


def contrast(
    encoder: Net,
    projector: Net,
    loss: Callable[..., tuple[Array, Mapping[str, Array]]],
    *,
    passes: Callable[..., tuple[list[Any], Any]] = by_size,
) -> Method:
    """Two views, one encoder and projector, a loss of the two projections.

    The batch is the global one: a loss that compares images sees those of every device,
    with gradient, and batch norm is synchronised.

    Args:
      encoder: images to features [b d].
      projector: features to projections.
      loss: `(z1, z2, *, params, batch, step) -> (scalar, metrics)`, of the projections
        of the first and of the second views.
      passes: how views go through the nets: `nets.by_size`, both at once, so that batch
        norm mixes them, or `nets.each`, one after the other.

    Returns:
      A method with groups "encoder" and "projector", for batches of `views.two_views`.
    """
    net = chain(encoder=encoder, projector=projector)

    def init(key, batch):
        params, stats = net.init(key, views_of(batch, 2, least=2)[0])
        return params, {"stats": stats}

    def embed(params, extra, batch, *, key, step):
        del step
        views = views_of(batch, 2, least=2)
        outputs, stats = passes(net, params, extra["stats"], views, key=key)
        return [out["projector"] for out in outputs], {"stats": stats}

    def compare(params, extra, batch, projections, *, key, step):
        del key
        value, metrics = loss(*projections, params=params, batch=batch, step=step)
        return value, Aux(extra, metrics)

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs=readings(net, "encoder", encoder),
    )
