"""Alignment and uniformity: what contrast comes to with many negatives, directly."""

from __future__ import annotations

from sslax import losses, models
from sslax.checks import check_positive
from sslax.core import Method, Net
from sslax.methods._contrast import contrast

__all__ = ["align_uniform"]


def align_uniform(
    encoder: Net,
    *,
    dim: int = 128,
    alpha: float = 2.0,
    t: float = 2.0,
    align_weight: float = 1.0,
    uniform_weight: float = 1.0,
) -> Method:
    """Two views of an image lie close, and all images evenly on the sphere.

    No pair is told apart from another: the distances of pairs of views and the spread
    of each view's batch are losses of their own. How even a batch lies is taken of each
    view by itself, so that no pair of views is pushed apart.

    Args:
      encoder: images to features [b d].
      dim: dimension of the projections, which are linear in the features.
      alpha: power of the distances of pairs.
      t: of the Gaussian potential; with a larger one the closest points count more.
      align_weight: of the distances, 3 for t = 3.
      uniform_weight: of the spread.

    Returns:
      A method with groups "encoder" and "projector", for batches of `views.two_views`;
      it logs "alignment" and "uniformity".

    Raises:
      ValueError: if one of the numbers is not positive; when it is traced, for another
        number of views or a batch of one.

    Note:
      This is the paper's method of STL-10. Its form with a queue and a slow teacher, on
      ImageNet, is another.

    Example:
      >>> method = align_uniform(models.convnet(), dim=32)

    References:
      Wang and Isola, Understanding Contrastive Representation Learning through
      Alignment and Uniformity on the Hypersphere, 2020, arXiv:2005.10242, sections 4.1
      and 5.
    """
    weights = {"align_weight": align_weight, "uniform_weight": uniform_weight}
    check_positive(alpha=alpha, t=t, **weights)

    def loss(z1, z2, **_):
        x, y = losses.unit(z1), losses.unit(z2)
        near = losses.alignment(x, y, alpha=alpha)
        even = (losses.uniformity(x, t=t) + losses.uniformity(y, t=t)) / 2
        value = align_weight * near + uniform_weight * even
        return value, {"alignment": near, "uniformity": even}

    return contrast(encoder, models.linear(dim=dim, init=0.02), loss)
