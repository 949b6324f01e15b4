"""SigLIP: whether a caption belongs to an image, for every pair alone."""

from __future__ import annotations

import math

from sslax import losses
from sslax.checks import check_positive
from sslax.core import Method, Net
from sslax.methods._paired import paired

__all__ = ["siglip"]


def siglip(
    encoder: Net,
    text: Net,
    *,
    projector: Net | None = None,
    scale: float = 10.0,
    bias: float = -10.0,
    block_size: int | None = None,
    features: str | None = None,
) -> Method:
    """CLIP whose pairs are decided one by one, with a learned scale and bias.

    No pair needs the others: the loss is a sum over all of the global batch, over its
    number of images.

    Args:
      encoder: images to features [b e]: `models.vit` with `pool="map"`, which ends in
        the shared space, or another with a projector.
      text: texts, int32 [b n], to the shared space [b d]: `models.siglip_text`.
      projector: features to the shared space; None where the encoder ends there.
      scale: of the cosines at the start.
      bias: of the logits at the start, for the many pairs that do not belong together.
      block_size: rows in a block of the loss, see `losses.siglip`.
      features: what is evaluated, where the encoder gives several outputs by name; None
        is the first of them.

    Returns:
      A method with groups "encoder", "text", "scale" and, if there is one, "projector",
      for batches of `views.one_view` with `text`; outputs as those of `clip`.

    Raises:
      ValueError: if the scale is not positive, or the encoder does not give the
        features; when traced, for a batch without texts or of one.

    Example:
      >>> from sslax import models
      >>> size = dict(width=8, depth=1, heads=2)
      >>> net = models.vit(**size, patch_size=4, class_token=False, pool="map")
      >>> words = models.siglip_text(**size, dim=8, words=60, context=6)
      >>> method = siglip(net, words)

    References:
      Zhai et al., Sigmoid Loss for Language Image Pre-Training, 2023, arXiv:2303.15343,
      equation 2 and algorithm 1.
    """
    check_positive(scale=scale)

    def loss(image, text, *, log_scale, bias):
        return losses.siglip(image, text, log_scale, bias, block_size=block_size)

    def keep(params, extra, *, step):
        del step
        return params, extra

    return paired(
        encoder,
        text,
        projector,
        start={"log_scale": math.log(scale), "bias": bias},
        loss=loss,
        features=features,
        after_update=keep,
    )
