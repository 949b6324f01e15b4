"""Debiased contrastive learning: SimCLR without its false negatives, on average."""

from __future__ import annotations

from sslax import losses, models
from sslax.checks import check_below_one, check_positive
from sslax.core import Method, Net
from sslax.methods._contrast import contrast
from sslax.nets import each

__all__ = ["debiased"]


def debiased(
    encoder: Net,
    *,
    hidden: int = 512,
    dim: int = 128,
    temperature: float = 0.5,
    tau_plus: float = 0.1,
) -> Method:
    """SimCLR whose negatives are corrected for those of the anchor's own class.

    A negative is of the anchor's class by chance. What such negatives add to the
    denominator is guessed from the positive pair and taken off, and the rest is held
    above the least that it can be. The two views pass one after the other: batch norm
    never mixes them.

    Args:
      encoder: images to features [b d].
      hidden: width of the projector.
      dim: dimension of the projections.
      temperature: 0.5 in the paper.
      tau_plus: the chance that a negative is of the anchor's class, in [0, 1): 0.1 with
        ten classes, 0.01 on ImageNet-100. 0 is the loss of SimCLR.

    Returns:
      A method with groups "encoder" and "projector", for batches of `views.two_views`.

    Raises:
      ValueError: if the temperature is not positive or `tau_plus` not in [0, 1); when
        it is traced, for another number of views or a batch of one.

    Note:
      This is the released code, with one positive an anchor; the paper allows several.
      Its option for the loss without correction is always taken for true: the biased
      loss is `tau_plus=0` here.

    Example:
      >>> method = debiased(models.convnet(), hidden=128, dim=32)

    References:
      Chuang et al., Debiased Contrastive Learning, 2020, arXiv:2007.00224, equations 7
      and 8.
    """
    check_positive(temperature=temperature)
    check_below_one(tau_plus=tau_plus)

    def loss(z1, z2, **_):
        value = losses.debiased_nt_xent(
            z1, z2, temperature=temperature, tau_plus=tau_plus
        )
        return value, {}

    return contrast(encoder, models.mlp(hidden=hidden, dim=dim), loss, passes=each)
