"""MoCo v2 with a negative that shares no more than the query's background."""

from __future__ import annotations

import jax.numpy as jnp

from sslax import losses
from sslax.checks import check_positive
from sslax.core import Method, Net
from sslax.methods._queued import queued
from sslax.schedules import Schedule

__all__ = ["moco_backgrounds"]


def moco_backgrounds(
    encoder: Net,
    *,
    hidden: int | None = 2048,
    dim: int = 128,
    queue_size: int = 65536,
    momentum: Schedule | float = 0.999,
    temperature: float = 0.2,
) -> Method:
    """MoCo v2 that tells a query from another subject on the same background, too.

    The key shows the subject of the query on another background, and a negative of the
    query's own another subject on its background: what is behind gives the wrong
    answer. That negative never enters the queue, and counts where the data say so.

    Args:
      encoder: images to features [b d]; with batch norm, give it groups of 32 to 64
        images (`bn_groups`), which are drawn anew for key and negative, see `moco`.
      hidden: width of the two-layer head, 2048 for ResNet-50; None is a linear head.
      dim: dimension of queries and keys.
      queue_size: number of keys kept, a multiple of the global batch.
      momentum: of the teacher, a number or a schedule.
      temperature: 0.2 as in MoCo v2.

    Returns:
      A method with groups "encoder" and "projector", for batches of
      `views.swapped_backgrounds`: query, key, negative and `has_negative`.

    Raises:
      ValueError: if the temperature is not positive; as the loss is traced, for another
        number of views than three, for a batch without `has_negative`, or for a queue
        that the batch does not divide.

    Example:
      >>> from sslax import models
      >>> sizes = {"hidden": 128, "dim": 32, "queue_size": 512}
      >>> method = moco_backgrounds(models.convnet(), **sizes)

    References:
      Ryali et al., Characterizing and Improving the Robustness of Self-Supervised
      Learning through Background Augmentations, 2021, arXiv:2103.12719, section 3.
    """
    check_positive(temperature=temperature)

    def loss(query, keys, queue, batch):
        if "has_negative" not in batch:
            raise ValueError(
                "moco_backgrounds needs 'has_negative' in a batch, as"
                f" views.swapped_backgrounds makes it; there are {sorted(batch)}"
            )
        query = losses.unit(query)
        own, opposite = (jnp.sum(query * k, axis=1) / temperature for k in keys)
        opposite = jnp.where(batch["has_negative"], opposite, -jnp.inf)
        logits = [own[:, None], opposite[:, None], query @ queue.T / temperature]
        return losses.info_nce_logits(jnp.concatenate(logits, axis=1))

    return queued(
        encoder,
        loss,
        count=3,
        hidden=hidden,
        dim=dim,
        queue_size=queue_size,
        momentum=momentum,
    )
