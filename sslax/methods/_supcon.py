"""SupCon: contrast with labels."""

from __future__ import annotations

import jax.numpy as jnp

from sslax import losses, models
from sslax.checks import check_positive
from sslax.core import Method, Net
from sslax.methods._contrast import contrast

__all__ = ["supcon"]


def supcon(
    encoder: Net,
    *,
    hidden: int = 2048,
    dim: int = 128,
    temperature: float = 0.1,
    base_temperature: float = 0.07,
) -> Method:
    """All views of a class attract, all other views of the batch repel.

    SimCLR with more positives, from labels: of each anchor the mean over its positives,
    outside the logarithm. A class that comes once in a batch still has its two views.

    Args:
      encoder: images to features [b d].
      hidden: width of the projector, which has no batch norm: that of the features.
      dim: dimension of the projections.
      temperature: 0.1 in the paper.
      base_temperature: the loss is multiplied by temperature / base_temperature, as the
        released code does; give both the same value for the paper's loss.

    Returns:
      A method with groups "encoder" and "projector", for batches of `views.two_views`
      with "label" [b].

    Raises:
      ValueError: if a temperature is not positive; when it is traced, for a batch
        without labels, another number of views or a batch of one.

    Note:
      Both views pass at once: batch norm mixes them.

    Example:
      >>> method = supcon(models.convnet(), hidden=128, dim=32)

    References:
      Khosla et al., Supervised Contrastive Learning, 2020, arXiv:2004.11362, equation 2
      and section 3.2.
    """
    check_positive(temperature=temperature, base_temperature=base_temperature)
    projector = models.mlp(hidden=hidden, dim=dim, norm=None, bias=True)

    def loss(z1, z2, *, batch, **_):
        if "label" not in batch:
            raise ValueError(
                "supcon needs labels: the batch has no 'label', only "
                f"{sorted(batch)}; simclr needs none"
            )
        features = jnp.stack([z1, z2], axis=1)
        value = losses.supcon(features, batch["label"], temperature=temperature)
        return temperature / base_temperature * value, {}

    return contrast(encoder, projector, loss)
