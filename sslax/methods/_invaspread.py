"""InvaSpread: two views of an image agree, features of all images spread."""

from __future__ import annotations

import jax

from sslax import losses, models
from sslax.checks import check_positive
from sslax.core import Method, Net
from sslax.methods._contrast import contrast

__all__ = ["invaspread"]


def invaspread(
    encoder: Net,
    *,
    dim: int = 128,
    temperature: float = 0.1,
    negative_weight: float = 1.0,
) -> Method:
    """Every image of the batch is a class, told by its other view and by no other.

    An anchor is to be recognised as its image, and each other image is to be recognised
    as not it: a binary decision for every negative, summed up. The batch is the global
    one, and both views share one pass and its batch statistics.

    Args:
      encoder: images to features [b d].
      dim: dimension of the projections.
      temperature: 0.1 in the paper.
      negative_weight: weighs the negatives, in the sum and in the denominator, 1 or
        more.

    Returns:
      A method with groups "encoder" and "projector", for batches of `views.two_views`.

    Raises:
      ValueError: if a number makes no sense; when traced, for a batch of one image or
        another number of views.

    Note:
      The released code is followed: both views are augmented, and a vector gets its
      gradient as an anchor alone. The paper leaves one view as it is, and has both
      factors of a product live.

    Example:
      >>> method = invaspread(models.convnet(), dim=32)

    References:
      Ye et al., Unsupervised Embedding Learning via Invariant and Spreading Instance
      Feature, 2019, arXiv:1904.03436, equations 3 to 7.
    """
    check_positive(temperature=temperature)
    if not negative_weight >= 1:
        raise ValueError(
            f"negative_weight must be 1, as in the paper, or more; "
            f"got {negative_weight}"
        )

    def loss(z1, z2, **_):
        value = losses.invaspread(
            z1,
            z2,
            keys=jax.lax.stop_gradient((z1, z2)),
            temperature=temperature,
            negative_weight=negative_weight,
        )
        return value, {}

    return contrast(encoder, models.linear(dim=dim), loss)
