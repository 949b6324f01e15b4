"""FlatNCE: contrast that keeps its gradient in small batches."""

from __future__ import annotations

from sslax import losses, models
from sslax.checks import check_positive
from sslax.core import Method, Net
from sslax.methods._contrast import contrast

__all__ = ["flatnce"]


def flatnce(
    encoder: Net,
    *,
    hidden: int = 2048,
    dim: int = 128,
    temperature: float = 0.1,
) -> Method:
    """SimCLR whose positive pair is not among what it is compared with.

    In a small batch the positive soon wins, and the gradient of SimCLR's loss dies with
    what is left to the negatives. Here the negatives share a softmax of their own.

    Args:
      encoder: images to features [b d].
      hidden: width of the projector, which has no batch norm.
      dim: dimension of the projections.
      temperature: 0.1 in the released code.

    Returns:
      A method with groups "encoder" and "projector", for batches of `views.two_views`.

    Raises:
      ValueError: if the temperature is not positive; when it is traced, for another
        number of views or a batch of one.

    Note:
      The logged loss is SimCLR's, as in the released code: the paper's own is 1 for any
      weights. Its LARS decays and scales batch norm and biases too, though it is told
      to leave them out; the recipes here leave them out.

    Example:
      >>> method = flatnce(models.convnet(), hidden=128, dim=32)

    References:
      Chen et al., Simpler, Faster, Stronger: Breaking The log-K Curse On Contrastive
      Learners With FlatNCE, 2021, arXiv:2107.01152, equation 8.
    """
    check_positive(temperature=temperature)
    projector = models.mlp(hidden=hidden, dim=dim, norm=None, bias=True)

    def loss(z1, z2, **_):
        return losses.flat_nce(z1, z2, temperature=temperature), {}

    return contrast(encoder, projector, loss)
