"""Contrast with hard negatives: those close to the anchor weigh more."""

from __future__ import annotations

from sslax import losses, models
from sslax.arrays import value_at
from sslax.checks import check_below_one, check_not_negative, check_positive
from sslax.core import Method, Net
from sslax.methods._contrast import contrast
from sslax.nets import each
from sslax.schedules import Schedule

__all__ = ["hard_negatives"]


def hard_negatives(
    encoder: Net,
    *,
    hidden: int = 512,
    dim: int = 128,
    temperature: float = 0.5,
    tau_plus: float = 0.1,
    beta: Schedule | float = 1.0,
) -> Method:
    """Debiased contrast whose negatives weigh the more the closer they are.

    Nothing else is drawn: the negatives of the batch have weights of mean 1, which take
    part in the gradient. The two views pass one after the other, as in `debiased`.

    Args:
      encoder: images to features [b d].
      hidden: width of the projector.
      dim: dimension of the projections.
      temperature: 0.5 in the paper.
      tau_plus: the chance that a negative is of the anchor's class, in [0, 1): 0.1 with
        ten classes. Hard negatives without it are of the anchor's class too often.
      beta: how much more the close ones weigh, 0 or more, a number or a schedule; the
        weight is e^(beta s/t), s the cosine. 0 is `debiased`, 1 the paper's.

    Returns:
      A method with groups "encoder" and "projector", for batches of `views.two_views`.

    Raises:
      ValueError: if the temperature is not positive, `tau_plus` not in [0, 1) or `beta`
        negative; when it is traced, for another number of views or a batch of one.

    Note:
      The code anneals by `schedules.by_epoch(schedule=schedules.ramp(start=beta,
      end=0.0, steps=8, delay=1), steps_per_epoch=...)` with a ninth of the run, rounded
      down, for an epoch. It is one late: the first level lasts two of them, and 0 is
      left with what the division leaves over.

    Example:
      >>> method = hard_negatives(models.convnet(), hidden=128, dim=32, beta=0.5)

    References:
      Robinson et al., Contrastive Learning with Hard Negative Samples, 2020,
      arXiv:2010.04592, equations 4 and 5.
    """
    check_positive(temperature=temperature)
    check_below_one(tau_plus=tau_plus)
    check_not_negative(beta=value_at(beta, 0))

    def loss(z1, z2, *, step, **_):
        value = losses.hard_negative_nt_xent(
            z1,
            z2,
            temperature=temperature,
            tau_plus=tau_plus,
            beta=value_at(beta, step),
        )
        return value, {}

    return contrast(encoder, models.mlp(hidden=hidden, dim=dim), loss, passes=each)
