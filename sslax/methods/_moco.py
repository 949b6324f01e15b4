"""MoCo v2: momentum contrast with a queue."""

from __future__ import annotations

from sslax import losses
from sslax.checks import check_positive
from sslax.core import Method, Net
from sslax.methods._queued import queued
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
      >>> from sslax import models
      >>> method = moco(models.convnet(), hidden=128, dim=32, queue_size=512)

    References:
      He et al., Momentum Contrast for Unsupervised Visual Representation Learning,
      2019, arXiv:1911.05722, algorithm 1 and section 3.3; Chen et al., Improved
      Baselines with Momentum Contrastive Learning, 2020, arXiv:2003.04297.
    """
    check_positive(temperature=temperature)

    def loss(query, keys, queue, batch):
        del batch
        return losses.info_nce(query, *keys, queue, temperature=temperature)

    return queued(
        encoder,
        loss,
        count=2,
        hidden=hidden,
        dim=dim,
        queue_size=queue_size,
        momentum=momentum,
    )
