"""InstDisc: every image is a class of its own, in a memory bank."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import losses, memory, models
from sslax.checks import check_not_negative, check_positive, check_probability
from sslax.core import Aux, Method, Net, compared
from sslax.methods._banks import (
    check_bank,
    constants_of,
    index_of,
    new_bank,
    noise_loss,
    own_and_noise,
    unknown_constants,
)
from sslax.nets import chain, readings, views_of

__all__ = ["instdisc"]


def instdisc(
    encoder: Net,
    *,
    examples: int,
    dim: int = 128,
    negatives: int | None = 4096,
    temperature: float = 0.07,
    momentum: float = 0.5,
    proximal: float = 0.0,
) -> Method:
    """An image is told from all others by what the bank remembers of each.

    The bank has a row for every image, a constant for the gradient: each step mixes its
    features into the rows of its images, after the loss. The normaliser Z of NCE is
    estimated from the first batch of the run and then kept.

    Args:
      encoder: images to features [b d].
      examples: how many images the data have; `index` in a batch counts them.
      dim: dimension of what the bank remembers.
      negatives: noise images for each one; None is the softmax over the whole bank.
      temperature: 0.07 on ImageNet, 0.1 on CIFAR-10.
      momentum: the share of the old row in the new one.
      proximal: weighs the squared distance to the own row, 30 in the paper.

    Returns:
      A method with groups "encoder" and "projector", for batches of `views.one_view`
      with `index`.

    Raises:
      ValueError: if a number makes no sense; when traced, for a batch without `index`
        or with several views.

    Note:
      The released code is followed: it has a momentum of 0.5 where the paper has
      `momentum=0, proximal=30`, its rows start off the unit sphere, and the own image
      may be drawn as noise.

    Example:
      >>> method = instdisc(models.convnet(), examples=10_000, dim=32, negatives=None)

    References:
      Wu et al., Unsupervised Feature Learning via Non-Parametric Instance
      Discrimination, 2018, arXiv:1805.01978, equations 2, 7, 8 and 10.
    """
    check_bank(examples=examples, negatives=negatives)
    check_positive(temperature=temperature)
    check_probability(momentum=momentum)
    check_not_negative(proximal=proximal)
    net = chain(encoder=encoder, projector=models.linear(dim=dim))

    def init(key, batch):
        (view,), _ = views_of(batch, 1), index_of(batch)
        net_key, bank_key = jax.random.split(key)
        params, stats = net.init(net_key, view)
        bank = new_bank(bank_key, examples=examples, dim=dim)
        known = {} if negatives is None else {"log_z": unknown_constants(1)}
        return params, {"stats": stats, "bank": bank, **known}

    def contrast(z, extra, batch, key):
        if negatives is None:
            value = losses.nonparametric_softmax(
                z,
                extra["bank"],
                index_of(batch),
                temperature=temperature,
                size=examples,
            )
            return value, {}
        rows = own_and_noise(key, batch, examples=examples, negatives=negatives)
        scores = losses.bank_scores(z, extra["bank"], rows, temperature=temperature)
        log_z = constants_of(extra["log_z"], scores[None], examples=examples)
        value = noise_loss(scores, log_z[0], examples=examples)
        return value, {"log_z": log_z}

    def embed(params, extra, batch, *, key, step):
        del step
        (view,), keys = views_of(batch, 1), jax.random.split(key)
        out, stats = net.apply(params, extra["stats"], view, train=True, key=keys[0])
        return losses.unit(out["projector"]), {"stats": stats}

    def compare(params, extra, batch, z, *, key, step):
        del params, step
        index, bank = index_of(batch), extra["bank"]
        value, known = contrast(z, extra, batch, jax.random.split(key)[1])
        if proximal:
            value += proximal * jnp.mean(jnp.sum((z - bank[index]) ** 2, axis=1))
        bank = memory.update_bank(bank, index, z, momentum=momentum)
        return value, Aux({**extra, "bank": bank, **known})

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare, separable=True)},
        outputs=readings(net, "encoder", encoder),
    )
