"""CLIP: which caption belongs to which image of a batch."""

from __future__ import annotations

import math

import jax.numpy as jnp

from sslax import losses
from sslax.checks import check_positive
from sslax.core import Method, Net
from sslax.methods._paired import paired

__all__ = ["clip"]


def clip(
    encoder: Net,
    text: Net,
    *,
    projector: Net | None = None,
    temperature: float = 0.07,
    largest: float = 100.0,
    block_size: int | None = None,
    features: str | None = None,
) -> Method:
    """Images and captions find each other in a batch, by cosines of a learned scale.

    The batch is the global one. The scale of the cosines is learned, and kept between 1
    and a largest after every update. Weights are decayed by the optimizer's groups:
    `optim.adamw(exclude=("rank_one", "scale/", "cls_token"))` leaves out what the
    released training leaves out.

    Args:
      encoder: images to features [b e]: `models.clip_vit` or `models.clip_resnet`,
        which end in the shared space, or another with a projector, as `models.vit`.
      text: texts, int32 [b n], to the shared space [b d]: `models.clip_text`.
      projector: features to the shared space: `models.linear(dim=512, bias=False)`.
      temperature: the inverse of the scale at the start.
      largest: the largest scale.
      block_size: rows in a block of the loss, see `losses.clip`.
      features: what is evaluated, where the encoder gives several outputs by name, such
        as "unprojected"; None is the first of them.

    Returns:
      A method with groups "encoder", "text", "scale" and, if there is one, "projector",
      for batches of `views.one_view` with `text`. Outputs "image" and "text" are in the
      shared space; their products are logits.

    Raises:
      ValueError: if the temperature or the largest scale makes no sense, or the encoder
        does not give the features; when traced, for a batch without texts or of one.

    Note:
      The scale is kept below 100 as released; it cannot fall below 1 either, as in
      open_clip.

    Example:
      >>> from sslax import models
      >>> size = dict(dim=8, width=8, depth=1, heads=2)
      >>> net = models.clip_vit(**size, patch_size=4)
      >>> words = models.clip_text(**size, words=60, context=6)
      >>> method = clip(net, words)

    References:
      Radford et al., Learning Transferable Visual Models From Natural Language
      Supervision, 2021, arXiv:2103.00020, figure 3 and section 2.
    """
    check_positive(temperature=temperature, largest=largest)
    if largest < 1 / temperature:
        raise ValueError(
            f"the scale starts at 1/temperature = {1 / temperature:g}, above its "
            f"largest={largest:g}; give a temperature of at least {1 / largest:g}"
        )

    def loss(image, text, *, log_scale):
        return losses.clip(image, text, log_scale, block_size=block_size)

    def after_update(params, extra, *, step):
        del step
        kept = jnp.clip(params["scale"]["log_scale"], 0.0, math.log(largest))
        return {**params, "scale": {"log_scale": kept}}, extra

    return paired(
        encoder,
        text,
        projector,
        start={"log_scale": -math.log(temperature)},
        loss=loss,
        features=features,
        after_update=after_update,
    )
