"""Exemplar-CNN: every image is a class, whose members are copies of one patch."""

from __future__ import annotations

import optax

from sslax import models
from sslax.core import Aux, Method, Net, Objective
from sslax.methods._banks import index_of
from sslax.methods._inner import inner_readings
from sslax.nets import chain, views_of

__all__ = ["exemplar"]


def exemplar(encoder: Net, *, examples: int, features: str | None = None) -> Method:
    """Classify transformed copies of patches by the patch that they are of.

    The classes are surrogates: one patch of detail of every image. What tells them
    apart whatever the scale, place, angle and colours is what the encoder learns.
    Chance is a loss of the logarithm of their number.

    Args:
      encoder: patches [b p p c] to features [b d]; `models.exemplar_net` is the
        paper's.
      examples: how many images, and so classes, the data have; `index` in a batch
        counts them.
      features: what is evaluated, where the encoder gives several outputs by name, such
        as "conv3"; the classifier reads the first of them. None is the first too.

    Returns:
      A method with groups "encoder" and "classifier", for batches of `views.exemplars`.

    Raises:
      ValueError: for fewer than two images, or features that the encoder does not give;
        when traced, for several views or a batch without `index`.

    Note:
      The released code trains on 150 copies of each patch, made once. Here copies are
      drawn in every step from the same distribution. Its rates and weight decay by
      layer are the optimizer's, see configs/exemplar.py.

    Example:
      >>> method = exemplar(models.exemplar_net(), examples=16_000)

    References:
      Dosovitskiy et al., Discriminative Unsupervised Feature Learning with Exemplar
      Convolutional Neural Networks, 2014, arXiv:1406.6909, equations 1 and 2.
    """
    if examples < 2:
        raise ValueError(f"examples must be the 2 or more of the data; got {examples}")
    net = chain(encoder=encoder, classifier=models.linear(dim=examples, init=0.005))

    def init(key, batch):
        (view,), _ = views_of(batch, 1), index_of(batch)
        params, stats = net.init(key, view)
        return params, {"stats": stats}

    def loss(params, extra, batch, *, key, step):
        del step
        (view,), label = views_of(batch, 1), index_of(batch)
        out, stats = net.apply(params, extra["stats"], view, train=True, key=key)
        logits = out["classifier"]
        value = optax.softmax_cross_entropy_with_integer_labels(logits, label).mean()
        right = (logits.argmax(axis=-1) == label).mean()
        return value, Aux({"stats": stats}, {"accuracy": right})

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs=inner_readings(net, encoder, features),
    )
