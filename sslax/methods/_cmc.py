"""CMC: channels of an image find each other in memory banks."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from sslax import losses, memory, models
from sslax.checks import check_choice, check_positive, check_probability
from sslax.core import Aux, Method, Net, Output, compared
from sslax.methods._banks import (
    check_bank,
    constants_of,
    index_of,
    new_bank,
    noise_loss,
    own_and_noise,
    unknown_constants,
)
from sslax.nets import chain, main_output, views_of

__all__ = ["cmc"]


def cmc(
    encoders: Sequence[Net],
    *,
    examples: int | None = None,
    dim: int = 128,
    contrast: str = "softmax",
    negatives: int = 4096,
    temperature: float = 0.07,
    momentum: float = 0.5,
    core: bool = False,
) -> Method:
    """Views of an image, by an encoder each, find each other in memory banks.

    Every view has a bank with a row for every image, a constant for the gradient. The
    code of a view is compared with rows of another's bank: of its own image, and of
    noise that all views share. After the loss each code is mixed into its row of the
    bank of its view. Of three or more views all pairs are compared, or one with each.

    Args:
      encoders: for each view, its images to features [b d].
      examples: how many images the data have, for banks; `index` counts them.
      dim: dimension of the codes.
      contrast: "softmax" over the own image and the noise; "nce", whose normalisers are
        of the first batch of the run; or "batch", the softmax over the images of the
        batch, without banks.
      negatives: noise images for each one, for banks.
      temperature: 0.07 on ImageNet, 0.1 on STL-10.
      momentum: the share of the old row in the new one.
      core: compare the first view with each other, not all with all.

    Returns:
      A method with groups "encoder0", "projector0", "encoder1" ..., for batches of
      `views.channel_views`, or other views as many as encoders, with `index`. Features
      are those of all encoders beside each other.

    Raises:
      ValueError: if an argument makes no sense; when traced, for a batch without
        `index` or with another number of views.

    Note:
      The released code is followed where the paper is silent: rows start off the unit
      sphere, and the own image may be drawn as noise. The paper has NCE; the authors
      recommend the softmax since.

    Example:
      >>> encoders = (models.convnet(widths=(8,)), models.convnet(widths=(16,)))
      >>> method = cmc(encoders, examples=10_000, dim=32, negatives=512)

    References:
      Tian, Krishnan and Isola, Contrastive Multiview Coding, 2019, arXiv:1906.05849,
      equations 3 and 5 to 7.
    """
    count = len(encoders)
    if count < 2:
        raise ValueError(f"2 or more views need an encoder each; got {count} encoders")
    check_choice(("softmax", "nce", "batch"), contrast=contrast)
    check_positive(temperature=temperature)
    check_probability(momentum=momentum)
    net, banked = _towers(encoders, dim), contrast != "batch"
    names = [f"view{i}" for i in range(count)]
    views_in = functools.partial(views_of, count=count, least=2 - banked)
    compare = functools.partial(losses.cmc_scores, temperature=temperature, core=core)
    if banked:
        check_bank(examples=examples, negatives=negatives)

    def init(key, batch):
        net_key, *keys = jax.random.split(key, 1 + len(names))
        params, stats = net.init(net_key, *views_in(batch))
        extra = {"stats": stats}
        if banked:
            index_of(batch)
            made = [new_bank(k, examples=examples, dim=dim) for k in keys]
            extra["banks"] = dict(zip(names, made, strict=True))
        if contrast == "nce":
            extra["log_z"] = unknown_constants((count - 1) * (2 if core else count))
        return params, extra

    def in_banks(codes, extra, batch, key):
        rows = own_and_noise(key, batch, examples=examples, negatives=negatives)
        banks, known = [extra["banks"][name] for name in names], {}
        scores = compare(codes, banks, rows)
        if contrast == "nce":
            log_z = constants_of(extra["log_z"], scores, examples=examples)
            pairs, known["log_z"] = zip(scores, log_z, strict=True), log_z
            value = sum(noise_loss(s, z, examples=examples) for s, z in pairs)
        else:
            value = sum(map(losses.info_nce_logits, scores))
        new = {
            name: memory.update_bank(bank, index_of(batch), code, momentum=momentum)
            for name, bank, code in zip(names, banks, codes, strict=True)
        }
        return value, Aux({**extra, **known, "banks": new})

    def embed(params, extra, batch, *, key, step):
        views, key, _ = views_in(batch), jax.random.split(key)[0], step
        out, stats = net.apply(params, extra["stats"], *views, train=True, key=key)
        return out["codes"], {"stats": stats}

    def compare_codes(params, extra, batch, codes, *, key, step):
        del params, step
        if banked:
            return in_banks(codes, extra, batch, jax.random.split(key)[1])
        rows = _batch_as_bank(len(codes[0]))
        value = losses.cmc(codes, codes, rows, temperature=temperature, core=core)
        return value, Aux(extra)

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare_codes, separable=banked)},
        outputs={"features": _features(net)},
    )


def _batch_as_bank(count: int) -> Int[Array, "b b"]:
    """Rows where the batch is the bank: the own image, then all others."""
    row = jnp.arange(count)
    return (row[:, None] + row[None, :]) % count


def _features(net: Net) -> Output:
    def features(params, extra, batch, *, key):
        del key
        return net.apply(params, extra["stats"], *batch["views"])[0]["features"]

    return features


def _towers(encoders: Sequence[Net], dim: int) -> Net:
    """Encoders and heads beside each other: codes by view, and all features as one."""
    nets = [
        chain(**{f"encoder{i}": encoder, f"projector{i}": models.linear(dim=dim)})
        for i, encoder in enumerate(encoders)
    ]

    def init(key, *views):
        params, stats = {}, {}
        for i, (net, view) in enumerate(zip(nets, views, strict=True)):
            made = net.init(jax.random.fold_in(key, i), view)
            params, stats = params | made[0], stats | made[1]
        return params, stats

    def apply(params, stats, *views, train=False, key=None):
        codes, features, new = [], [], {}
        for i, (net, view) in enumerate(zip(nets, views, strict=True)):
            net_key = None if key is None else jax.random.fold_in(key, i)
            out, moved = net.apply(params, stats, view, train=train, key=net_key)
            codes.append(losses.unit(out[f"projector{i}"]))
            features.append(main_output(encoders[i], out[f"encoder{i}"]))
            new |= moved
        return {"codes": codes, "features": jnp.concatenate(features, axis=1)}, new

    return Net(init, apply)
