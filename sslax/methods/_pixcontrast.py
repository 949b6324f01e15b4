"""PixContrast: a cell finds the cells of another crop that show its place."""

from __future__ import annotations

import functools

from jaxtyping import Array

from sslax import losses, models
from sslax.checks import check_choice, check_not_negative, check_positive
from sslax.core import Method, Net
from sslax.methods._cells import pairs_of
from sslax.methods._teacher import taught
from sslax.schedules import Schedule

__all__ = ["pixcontrast"]

_READS = {"projector": ("encoder", "map"), "instance_projector": ("encoder", None)}


def pixcontrast(
    encoder: Net,
    *,
    hidden: int = 4096,
    dim: int = 256,
    temperature: float = 0.3,
    ratio: float = 0.7,
    log_over: str = "cell",
    weight: float = 1.0,
    instance: float = 0.0,
    momentum: Schedule | float = 0.99,
) -> Method:
    """InfoNCE between the cells of a student's map and those of its teacher's.

    Positive are the cells that show nearly the same place of the image, negative all
    others of the other view. Each net sees one view after the other, in the statistics
    of its own batch.

    Args:
      encoder: images to features [b d], the mean of its map, and the map [b h w d]:
        `output=("pooled", "map")`.
      hidden: width of the projectors, and of the predictor of the instance branch.
      dim: channels of the projections.
      temperature: 0.3 in the paper.
      ratio: of the distance up to which two cells are a pair to the diagonal of the
        larger cell.
      log_over: "cell", as in the paper, or "batch"; see `losses.pix_contrast`.
      weight: of the contrast of cells.
      instance: weight of BYOL's loss between the features, with a projector and a
        predictor of its own; 0, as in the paper, has no such branch.
      momentum: momentum of the teacher, a number or a schedule.

    Returns:
      A method with groups "encoder", "projector", and with an instance branch
      "instance_projector" and "predictor"; for batches of `views.pixel_views`, or such
      as say themselves which cells are pairs, "positives" [b n n].

    Raises:
      ValueError: if a number is out of its range or the encoder gives no map; while it
        is traced, if there are not two views, or not their coordinates.

    Note:
      The authors have not released it. The heads and the teacher are those of their
      PixPro. `log_over="batch", instance=1.0` is the implementation of lucidrains.

    Example:
      >>> encoder = models.convnet(output=("pooled", "map"))
      >>> method = pixcontrast(encoder, hidden=128, dim=32)

    References:
      Xie et al., Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised
      Visual Representation Learning, 2020, arXiv:2011.10043, equations 1 and 2.
    """
    check_positive(temperature=temperature, ratio=ratio, weight=weight)
    check_choice(("cell", "batch"), log_over=log_over)
    check_not_negative(instance=instance)
    head = functools.partial(models.mlp, hidden=hidden, dim=dim, bias=True)
    shared = {"encoder": encoder, "projector": head()}
    if instance:
        shared["instance_projector"] = head()
    contrast = functools.partial(
        losses.pix_contrast, temperature=temperature, log_over=log_over
    )

    def compare(online, slow, batch):
        (x1, x2), (z1, z2) = ([x["projector"] for x in net] for net in (online, slow))
        pairs = pairs_of(batch, z1, ratio)
        value = contrast(x1, z2, pairs) + contrast(x2, z1, pairs.swapaxes(1, 2))
        value *= weight / 2
        return value + instance * _instances(online, slow) if instance else value

    return taught(
        {**shared, "predictor": head()} if instance else shared,
        tuple(shared),
        compare,
        momentum=momentum,
        ahead=True,
        reads={name: place for name, place in _READS.items() if name in shared},
    )


def _instances(online, slow) -> Array:
    """BYOL's loss."""
    p1, p2 = (out["predictor"] for out in online)
    t1, t2 = (out["instance_projector"] for out in slow)
    return losses.cosine_regression(p1, t2) + losses.cosine_regression(p2, t1)
