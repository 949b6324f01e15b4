"""BYOL: predict the projection of a slow teacher."""

from __future__ import annotations

from sslax import losses, models
from sslax.core import Method, Net
from sslax.methods._teacher import taught
from sslax.schedules import Schedule

__all__ = ["byol"]


def byol(
    encoder: Net,
    *,
    hidden: int = 4096,
    dim: int = 256,
    momentum: Schedule | float = 0.996,
) -> Method:
    """A student predicts, from one view, what its teacher projects of the other.

    The teacher is the moving average of the student's encoder and projector. It runs on
    the statistics of its own batch, and keeps running ones that are not averaged. The
    two views pass one after the other: batch norm never mixes them.

    Args:
      encoder: images to features [b d].
      hidden: width of projector and predictor.
      dim: dimension of the projections.
      momentum: momentum of the teacher, a number or a schedule; the paper's is
        `schedules.cosine(start=0.996, end=1.0, steps=...)`.

    Returns:
      A method with groups "encoder", "projector" and "predictor", for batches of
      `views.two_views`.

    Note:
      The teacher starts as a copy of the student; the released code starts it from
      another seed, with the same result.

    Example:
      >>> method = byol(models.convnet(), hidden=128, dim=32)

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, arXiv:2006.07733, equations 1 to 3.
    """
    head = models.mlp(
        hidden=hidden,
        dim=dim,
        bias=True,
        last_bias=False,
        init="lecun",
        bn_unbiased=False,
    )

    def compare(online, slow, batch):
        del batch
        q1, q2 = (out["predictor"] for out in online)
        z1, z2 = (out["projector"] for out in slow)
        return losses.cosine_regression(q1, z2) + losses.cosine_regression(q2, z1)

    return taught(
        {"encoder": encoder, "projector": head, "predictor": head},
        ("encoder", "projector"),
        compare,
        momentum=momentum,
        separable=True,
    )
