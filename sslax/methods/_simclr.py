"""SimCLR: contrast of two views over the whole batch."""

from __future__ import annotations

from sslax import losses
from sslax.checks import check_positive
from sslax.core import Method, Net
from sslax.methods._contrast import contrast, head

__all__ = ["simclr"]


def simclr(
    encoder: Net,
    *,
    hidden: int = 2048,
    dim: int = 128,
    depth: int = 2,
    temperature: float = 0.1,
    scale: float = 1.0,
) -> Method:
    """Two views of an image attract, all other projections of the batch repel.

    The batch is the global one: negatives come from every device, with gradient, and
    batch norm is synchronised.

    Args:
      encoder: images to features [b d].
      hidden: width of the projector, the features' width in the paper.
      dim: dimension of the projections.
      depth: layers of the projector: 2, or 3 as in SimCLRv2.
      temperature: 0.1 on ImageNet, 0.5 on CIFAR-10.
      scale: multiplies the loss, which is the paper's mean over the 2N anchors. The
        official code adds up the means of the two views, so its is 2. It matters where
        LARS does not take the gradient's length away: batch norm and biases.

    Returns:
      A method with groups "encoder" and "projector", for batches of `views.two_views`.

    Raises:
      ValueError: if the temperature or the scale is not positive; when it is traced,
        for another number of views or a batch of one.

    Example:
      >>> from sslax import models
      >>> method = simclr(models.convnet(), hidden=128, dim=32)

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, equation 1 and algorithm 1.
    """
    check_positive(temperature=temperature, scale=scale)
    projector = head(hidden=hidden, dim=dim, depth=depth)

    def loss(z1, z2, **_):
        return scale * losses.nt_xent(z1, z2, temperature=temperature), {}

    return contrast(encoder, projector, loss)
