"""Image rotations: tell by how much an image was turned."""

from __future__ import annotations

import jax.numpy as jnp
import optax

from sslax import models
from sslax.core import Aux, Method, Net, Objective
from sslax.methods._inner import inner_readings
from sslax.nets import chain, fold

__all__ = ["rotation"]


def rotation(encoder: Net, *, features: str | None = None) -> Method:
    """Turn every image by 0, 90, 180 and 270 degrees and classify the angle.

    All four copies of an image are in the batch, which the paper found better than one
    random turn. Chance is a loss of ln 4 = 1.386.

    Args:
      encoder: images to features [b d]; `models.nin` is the paper's for CIFAR-10.
      features: what is evaluated, where the encoder gives several outputs by name, such
        as the paper's second block, "conv2"; the classifier reads the first of them.
        None is the first too.

    Returns:
      A method with groups "encoder" and "classifier", for batches of `views.rotated`.

    Raises:
      ValueError: if the encoder does not give the features.

    Example:
      >>> method = rotation(models.convnet())
      >>> inner = rotation(models.nin(output=("pooled", "conv2")), features="conv2")

    References:
      Gidaris et al., Unsupervised Representation Learning by Predicting Image
      Rotations, 2018, arXiv:1803.07728, equations 1 to 3.
    """
    classifier = models.linear(dim=4)
    net = chain(encoder=encoder, classifier=classifier)

    def init(key, batch):
        params, stats = net.init(key, batch["views"][0])
        return params, {"stats": stats}

    def loss(params, extra, batch, *, key, step):
        del step
        count = batch["views"][0].shape[0]
        images = fold(batch["views"])
        out, stats = net.apply(params, extra["stats"], images, train=True, key=key)
        turns = jnp.tile(jnp.arange(4), count)
        logits = out["classifier"]
        value = optax.softmax_cross_entropy_with_integer_labels(logits, turns).mean()
        right = (logits.argmax(axis=-1) == turns).mean()
        return value, Aux({"stats": stats}, {"accuracy": right})

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs=inner_readings(net, encoder, features),
    )
