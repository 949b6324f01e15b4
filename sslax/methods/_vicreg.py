"""VICReg: views agree, every feature varies, no two vary together."""

from __future__ import annotations

from sslax import losses, models
from sslax.checks import check_not_negative
from sslax.core import Method, Net
from sslax.methods._contrast import contrast
from sslax.nets import each

__all__ = ["vicreg"]


def vicreg(
    encoder: Net,
    *,
    hidden: int = 8192,
    dim: int = 8192,
    depth: int = 3,
    invariance_weight: float = 25.0,
    variance_weight: float = 25.0,
    covariance_weight: float = 1.0,
) -> Method:
    """Embeddings of two views agree, with variance and without covariance.

    No negatives, no teacher, no stop-gradient: a hinge on the deviation of every
    dimension keeps the embeddings apart. Both are of each view alone, over the global
    batch. The views pass one after the other, each with batch statistics of its own.

    Args:
      encoder: images [b h w c] to features [b d].
      hidden: width of the expander's hidden layers.
      dim: dimension of the embeddings; the covariance of a view is [dim dim].
      depth: layers of the expander.
      invariance_weight: of the mean squared difference of the views.
      variance_weight: of the hinge, the mean of both views; without it, at 0, the
        embeddings collapse.
      covariance_weight: of the squared covariances, the sum of both views.

    Returns:
      A method with groups "encoder" and "projector" (the expander), for batches of
      `views.two_views`. Its metric "std" is the deviation over the batch, averaged over
      dimensions and views: 1 is wanted, 0 is collapse.

    Raises:
      ValueError: for a width or depth below 1, or a weight below 0; as the loss is
        traced, for another number of views than two, or a batch of one.

    Note:
      The weights are those of the released code, which divides the squared difference
      by the dimension and takes the mean of the variances; the paper's equations do
      neither.

    Example:
      >>> method = vicreg(models.convnet(), hidden=128, dim=128)

    References:
      Bardes, Ponce and LeCun, VICReg: Variance-Invariance-Covariance Regularization for
      Self-Supervised Learning, 2021, arXiv:2105.04906, equations 1 to 6, algorithm 1.
    """
    weights = {
        "invariance_weight": invariance_weight,
        "variance_weight": variance_weight,
        "covariance_weight": covariance_weight,
    }
    check_not_negative(**weights)
    expander = models.mlp(
        hidden=hidden, dim=dim, depth=depth, bias=True, last_bias=False
    )

    def loss(z1, z2, **_):
        std = (z1.std(axis=0).mean() + z2.std(axis=0).mean()) / 2
        return losses.vicreg(z1, z2, **weights), {"std": std}

    return contrast(encoder, expander, loss, passes=each)
