"""PixPro: cells of two crops that show the same place agree."""

from __future__ import annotations

import functools

from jaxtyping import Array

from sslax import losses, models
from sslax.checks import check_choice, check_not_negative, check_positive
from sslax.core import Method, Net
from sslax.methods._cells import pairs_of
from sslax.methods._teacher import taught
from sslax.schedules import Schedule

__all__ = ["pixpro"]


def pixpro(
    encoder: Net,
    *,
    hidden: int = 4096,
    dim: int = 256,
    power: float = 2.0,
    floor: float = 0.0,
    layers: int = 1,
    ratio: float = 0.7,
    instance: float = 0.0,
    momentum: Schedule | float = 0.99,
) -> Method:
    """What a student gathers at a place, its teacher projects there in the other view.

    The student smooths its map: a cell gathers the values of the cells that look like
    it. The teacher, a moving average, does not. Each sees one view after the other, in
    the statistics of its own batch; an image whose crops do not overlap counts 0.

    Args:
      encoder: images to features [b d] and a map [b h w d]:
        `output=("pooled", "map")`.
      hidden: width of the projectors, and of the predictor of the instance branch.
      dim: channels of the projections.
      power: sharpness of the attention between cells; 2 in the paper.
      floor: smallest similarity of two cells, before the power.
      layers: of the transformation of the values: 0, 1 (the paper) or 2.
      ratio: of the distance up to which two cells are a pair to the diagonal of the
        larger cell.
      instance: weight of BYOL's loss between means of whole maps, with a projector and
        a predictor of its own; 0 has no such branch, the paper's is 1.
      momentum: momentum of the teacher, a number or a schedule; the paper's is
        `schedules.cosine(start=0.99, end=1.0, steps=...)`.

    Returns:
      A method with groups "encoder", "projector", with layers "value", and with an
      instance branch "instance_projector" and "predictor"; for batches of
      `views.pixel_views`, or such as say themselves which cells are pairs, "positives"
      [b n n].

    Raises:
      ValueError: if a number is out of its range or the encoder gives no map; while it
        is traced, if there are not two views, or not their coordinates.

    Note:
      As in the released code, the loss is twice the paper's, and the teacher averages
      at the head of a step (here at the end of the one before).

    Example:
      >>> encoder = models.convnet(output=("pooled", "map"))
      >>> method = pixpro(encoder, hidden=128, dim=32)

    References:
      Xie et al., Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised
      Visual Representation Learning, 2020, arXiv:2011.10043, equations 1 and 3 to 5.
    """
    check_positive(power=power, ratio=ratio)
    check_choice((0, 1, 2), layers=layers)
    check_not_negative(instance=instance)
    head = functools.partial(models.mlp, hidden=hidden, dim=dim, bias=True)
    parts = {"encoder": encoder, "projector": head()}
    if layers:
        parts["value"] = head(hidden=dim, depth=layers)
    if instance:
        parts |= {"instance_projector": head(), "predictor": head()}
    shared = [name for name in parts if name not in ("value", "predictor")]
    propagate = functools.partial(losses.pixel_propagation, power=power, floor=floor)

    def compare(online, slow, batch):
        y1, y2 = (
            propagate(out["projector"], out.get("value", out["projector"]))
            for out in online
        )
        z1, z2 = (out["projector"] for out in slow)
        pairs = pairs_of(batch, z1, ratio)
        first = losses.pix_pro(y1, z2, pairs)
        value = 2 * (first + losses.pix_pro(y2, z1, pairs.swapaxes(1, 2)))
        return value + instance * _instances(online, slow) if instance else value

    return taught(
        parts,
        shared,
        compare,
        momentum=momentum,
        ahead=True,
        reads={name: ("encoder", "map") for name in shared[1:]},
        separable=True,
    )


def _instances(online, slow) -> Array:
    """BYOL's loss, of means over the maps of the heads."""
    p1, p2 = (out["predictor"].mean(axis=(1, 2)) for out in online)
    t1, t2 = (out["instance_projector"].mean(axis=(1, 2)) for out in slow)
    return 2 * (losses.negative_cosine(p1, t2) + losses.negative_cosine(p2, t1))
