"""MoCo v3: momentum contrast within the batch, for ResNets and transformers."""

from __future__ import annotations

import functools

from sslax import losses, models
from sslax.checks import check_positive
from sslax.core import Method, Net
from sslax.methods._teacher import taught
from sslax.schedules import Schedule

__all__ = ["moco_v3"]


def moco_v3(
    encoder: Net,
    *,
    hidden: int = 4096,
    dim: int = 256,
    depth: int = 3,
    predictor_norm: bool = True,
    momentum: Schedule | float = 0.99,
    temperature: float = 0.2,
) -> Method:
    """A student predicts, among the teacher's projections of the batch, the right one.

    There is no queue: the keys are those of the global batch, of the other view alone.
    Student and teacher see one view after the other, each in the statistics of its own
    batch; the teacher's running statistics are not averaged.

    Args:
      encoder: images to features [b d]. The paper's transformers have "sincos_row"
        positions, `init="xavier_qkv"` and a patch projection that stays as it starts:
        `freeze_patches=True`, and `optim.frozen(..., match=("patch_embed",))` so that
        weight decay leaves it alone too.
      hidden: width of projector and predictor.
      dim: dimension of projections and predictions.
      depth: layers of the projector: 3 for transformers, 2 for ResNets.
      predictor_norm: batch norm without scale and offset behind the predictor as well
        as behind the projector: transformers have it, ResNets have not.
      momentum: momentum of the teacher, a number or a schedule; the paper's is
        `schedules.cosine(start=0.99, end=1.0, steps=...)`.
      temperature: 0.2 for transformers, 1.0 for ResNet-50.

    Returns:
      A method with groups "encoder", "projector" and "predictor", for batches of
      `views.two_views`.

    Raises:
      ValueError: if the temperature is not positive or the momentum outside [0, 1];
        while it is traced, if there are not two views of two images or more.

    Note:
      The released code averages at the head of a step: so does this, at the end of the
      one before, and the teacher that is kept is one average ahead.

    Example:
      >>> method = moco_v3(models.convnet(), hidden=128, dim=32, depth=2)

    References:
      Chen, Xie and He, An Empirical Study of Training Self-Supervised Vision
      Transformers, 2021, arXiv:2104.02057, algorithm 1 and section 4.
    """
    check_positive(temperature=temperature)
    head = functools.partial(models.mlp, hidden=hidden, dim=dim, last_bias=False)
    parts = {
        "encoder": encoder,
        "projector": head(depth=depth, last_norm="plain"),
        "predictor": head(last_norm="plain" if predictor_norm else None),
    }

    def compare(online, slow, batch):
        del batch
        q1, q2 = (out["predictor"] for out in online)
        k1, k2 = (out["projector"] for out in slow)
        return losses.moco_v3(q1, q2, k1, k2, temperature=temperature)

    return taught(
        parts,
        ("encoder", "projector"),
        compare,
        momentum=momentum,
        ahead=True,
        least=2,
    )
