"""Barlow Twins: the cross-correlation of two views becomes the identity."""

from __future__ import annotations

from sslax import losses, models
from sslax.checks import check_positive
from sslax.core import Method, Net
from sslax.methods._contrast import contrast
from sslax.nets import each

__all__ = ["barlow_twins"]


def barlow_twins(
    encoder: Net,
    *,
    hidden: int = 8192,
    dim: int = 8192,
    depth: int = 3,
    redundancy_weight: float = 0.0051,
    scale: float = 1.0,
) -> Method:
    """Features of two views agree, one by one, and do not repeat each other.

    No negatives, no teacher, no predictor: both views are treated alike, and both have
    gradient. They pass one after the other, each with batch statistics of its own; the
    correlations are over the global batch. Biases and batch norm, which LARS leaves
    alone, have a rate of their own: see `optim.grouped` and configs/barlow_twins.py.

    Args:
      encoder: images [b h w c] to features [b d].
      hidden: width of the projector's hidden layers.
      dim: dimension of the embeddings; the matrix of correlations is [dim dim].
      depth: layers of the projector.
      redundancy_weight: lambda, the weight of the correlations off the diagonal.
      scale: multiplies the loss, which is the paper's sum. The released code's
        gradient is that sum's divided by the number of its devices, 16, which its rate
        for biases and batch norm is tuned for; the config says 1/16. LARS takes the
        gradient's length away from the others.

    Returns:
      A method with groups "encoder" and "projector", for batches of `views.two_views`.

    Raises:
      ValueError: for a width or depth below 1, or a weight or scale that is not
        positive; as the loss is traced, for another number of views than two, or a
        batch of one, in which nothing correlates.

    Note:
      The released code also keeps running statistics of the embeddings, which nothing
      reads; here there are none.

    Example:
      >>> method = barlow_twins(models.convnet(), hidden=128, dim=128)

    References:
      Zbontar et al., Barlow Twins: Self-Supervised Learning via Redundancy Reduction,
      2021, arXiv:2103.03230, equations 1 and 2, algorithm 1.
    """
    check_positive(redundancy_weight=redundancy_weight, scale=scale)
    projector = models.mlp(hidden=hidden, dim=dim, depth=depth, last_bias=False)

    def loss(z1, z2, **_):
        value = losses.barlow_twins(z1, z2, redundancy_weight=redundancy_weight)
        return scale * value, {}

    return contrast(encoder, projector, loss, passes=each)
