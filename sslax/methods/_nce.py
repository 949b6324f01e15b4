"""NCE: every pair of views is judged alone, data or noise."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp

from sslax import losses, models
from sslax.checks import check_positive
from sslax.core import Method, Net
from sslax.methods._contrast import contrast
from sslax.nets import chain, fold, unfold, views_of

__all__ = ["nce"]


def nce(
    encoder: Net, *, hidden: int = 2048, dim: int = 128, temperature: float = 0.1
) -> Method:
    """Logistic regression of pairs of one image against pairs of two.

    The data are the two views of an image; the noise is the views of all other images
    of the batch, K of them. h = e^s / (e^s + K Z) is the chance that a pair is data, s
    its cosine over the temperature: no softmax, each pair by itself. Z, the normaliser
    of this density over the noise, is trained with the rest.

    Args:
      encoder: images to features [b d].
      hidden: width of the projector.
      dim: dimension of the projections.
      temperature: of the scores, above 0.

    Returns:
      A method with groups "encoder", "projector" and "normaliser" (log Z), for batches
      of `views.two_views`; it logs "log_z", and "data" and "noise", the mean h of both.

    Raises:
      ValueError: if the temperature is not positive; when it is traced, for another
        number of views or a batch of one.

    Note:
      Z starts where e^s is Z on average over the first batch, as in InstDisc and CMC,
      and is then learned, as in the theory. They keep it, which they can as their banks
      start at random: the projections of a fresh network lie together, so that a kept Z
      would be above all that scores reach. It needs a rate of its own, and no decay.

    Example:
      >>> method = nce(models.convnet(), hidden=128, dim=32)

    References:
      Gutmann and Hyvarinen, Noise-Contrastive Estimation of Unnormalized Statistical
      Models, 2012, JMLR 13:307-361, equations 4 to 8.
    """
    check_positive(temperature=temperature)
    projector = models.mlp(hidden=hidden, dim=dim)
    net = chain(encoder=encoder, projector=projector)

    def init(key, batch):
        params, extra = method.init(key, batch)
        images = fold(views_of(batch, 2, least=2))
        out, _ = net.apply(params, extra["stats"], images, train=True)
        scores = _scores(*unfold(out["projector"], 2), temperature)
        count = len(images) * (len(images) - 1)
        log_z = jax.nn.logsumexp(scores) - math.log(count)
        return {**params, "normaliser": {"log_z": log_z}}, extra

    def loss(z1, z2, *, params, **_):
        scores, log_z = _scores(z1, z2, temperature), params["normaliser"]["log_z"]
        log_noise = math.log(2 * len(z1) - 2)
        value = losses.nce(scores, log_noise=log_noise, log_constant=log_z)
        h = jax.nn.sigmoid(scores - log_z - log_noise)
        noise = h[:, 1:].sum(axis=1).mean() / (2 * len(z1) - 2)
        return value, {"log_z": log_z, "data": h[:, 0].mean(), "noise": noise}

    method = contrast(encoder, projector, loss)
    return dataclasses.replace(method, init=init)


def _scores(z1, z2, temperature):
    """Of each view: its other view first, then all views, those of its image left out.

    What is left out has the score -inf: it is noise for sure, and adds nothing.
    """
    z = losses.unit(jnp.concatenate([z1, z2]))
    scores = jnp.matmul(z, z.T, precision=jax.lax.Precision.HIGHEST) / temperature
    image = jnp.tile(jnp.arange(len(z1)), 2)
    own = image[:, None] == image[None, :]
    other = jnp.roll(z, len(z1), axis=0)
    positive = jnp.sum(z * other, axis=1, keepdims=True) / temperature
    return jnp.concatenate([positive, jnp.where(own, -jnp.inf, scores)], axis=1)
