"""CUT and FastCUT: translate images into another domain without pairs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax import memory
from sslax.arrays import at_least_float32
from sslax.checks import check_not_negative, check_positive
from sslax.core import Aux, Method, Net, Objective, Output
from sslax.methods._places import contrasts, turned
from sslax.nets import fold, unfold, views_of
from sslax.schedules import Schedule

__all__ = ["cut"]

_TAPS = ("padded", "down1", "down2", "block1", "block5")
_TERMS = ("nce", "nce_identity")


def cut(
    generator: Net,
    discriminator: Net,
    heads: Net,
    *,
    taps: Sequence[str] = _TAPS,
    patches: int = 256,
    temperature: float = 0.07,
    weight: float = 1.0,
    gan_weight: float = 1.0,
    identity: bool = True,
    whole_batch: bool = False,
    momentum: Schedule | float | None = None,
) -> Method:
    """Make images look as of another domain, each patch still known by its source.

    The discriminator learns first, on images that are held still; then the generator,
    with the new discriminator and the same images: its forward pass is one for both.

    Args:
      generator: images [b h w c] to "image", their translation, and the taps, features
        [b i j d]: `models.resnet_generator(output=("image", *taps))`.
      discriminator: images to logits, as `models.patch_discriminator`.
      heads: a sequence of features [b n d_i] to as many [b n e] of unit length, as
        `models.patch_heads`.
      taps: the outputs of the generator whose places are compared.
      patches: how many places of each; all of those where there are fewer.
      temperature: of the contrast.
      weight: of the contrast, 1 in CUT, 10 in FastCUT.
      gan_weight: of the discriminator's opinion in the generator's loss.
      identity: images of the target domain must find their patches in their own
        translation, too, and the two contrasts are averaged; not so in FastCUT.
      whole_batch: the negatives come from all images of the batch.
      momentum: of an average of the generator, `extra["teacher"]`, which then is read
        in place of it; a number or a schedule. None, as the paper, keeps none.

    Returns:
      A method with groups "generator", "heads" and "discriminator" and objectives
      "discriminator" and "generator", for batches of `views.two_domains`: a view of
      each domain, both of one size, in [-1, 1]. Where `batch["flipped"]` [b] is true,
      the generator sees images from right to left, and features are turned back before
      they are compared (FastCUT). `batch["places"]` [terms taps n], where it is there,
      has the places. Outputs are "translation" [b h w c] of the first view, its last
      tap as "map" and "features", and pictures.

    Raises:
      ValueError: for a generator without a tap or a number out of its range; when
        traced, for another number of views than two, views of two sizes, or sides that
        the generator does not give back.

    Note:
      The released code is followed: least squares, the discriminator's two terms
      halved, keys without gradient behind their heads, and a score of -10 among the
      negatives in the place of the own patch.

    Example:
      >>> from sslax import models
      >>> taps = ("padded", "down1", "down2", "block1", "block2")
      >>> method = cut(
      ...     models.resnet_generator(width=8, blocks=2, output=("image", *taps)),
      ...     models.patch_discriminator(width=8),
      ...     models.patch_heads(),
      ...     taps=taps,
      ... )

    References:
      Park et al., Contrastive Learning for Unpaired Image-to-Image Translation, 2020,
      arXiv:2007.15651, equations 1 to 5. Mao et al., Least Squares Generative
      Adversarial Networks, 2016, arXiv:1611.04076, equation 2.
    """
    check_positive(temperature=temperature, patches=patches)
    check_not_negative(weight=weight, gan_weight=gan_weight)
    _check_taps(generator, taps)
    count = 1 + identity
    options: dict[str, Any] = {"count": count, "patches": patches}
    options |= {"temperature": temperature, "whole_batch": whole_batch}
    contrast = functools.partial(contrasts, heads, taps, **options)
    nets = generator, discriminator, heads

    def run(group, net, params, extra, images):
        return net.apply(params[group], extra["stats"][group], images, train=True)

    def made_of(params, extra, batch):
        """The pass that both objectives share: nothing in it may depend on a key."""
        seen = [turned(x, batch) for x in views_of(batch, 2)[:count]]
        out, stats = run("generator", generator, params, extra, fold(seen))
        return out, unfold(out["image"], count)[0], stats

    def judge(params, extra, batch, *, key, step):
        del key, step
        fake = jax.lax.stop_gradient(made_of(params, extra, batch)[1])
        both = fold((fake, views_of(batch, 2)[1]))
        logits, stats = run("discriminator", discriminator, params, extra, both)
        fake, real = unfold(logits, 2)
        fake, real = jnp.mean(fake**2), jnp.mean((real - 1) ** 2)
        extra = {**extra, "stats": {**extra["stats"], "discriminator": stats}}
        return (fake + real) / 2, Aux(extra, {"fake": fake, "real": real})

    def translate(params, extra, batch, *, key, step):
        del step
        keys, image, stats = made_of(params, extra, batch)
        queries, _ = run("generator", generator, params, extra, keys["image"])
        if "flipped" in batch:
            seen = fold(views_of(batch, 2)[:count])
            keys, _ = run("generator", generator, params, extra, seen)
        terms = contrast(params, extra, batch, queries, keys, key=key)
        terms = [weight * term for term in terms]
        logits, _ = run("discriminator", discriminator, params, extra, image)
        gan = gan_weight * jnp.mean((logits - 1) ** 2)
        metrics = {"gan": gan, **dict(zip(_TERMS, terms, strict=False))}
        extra = {**extra, "stats": {**extra["stats"], "generator": stats}}
        return gan + sum(terms) / count, Aux(extra, metrics)

    method = Method(
        init=_init(*nets, taps, averaged=momentum is not None),
        objectives={
            "discriminator": Objective(
                loss=judge, wrt=("discriminator",), separable=True
            ),
            "generator": Objective(
                loss=translate, wrt=("generator", "heads"), separable=not whole_batch
            ),
        },
        outputs=_outputs(generator, taps[-1]),
    )
    if momentum is None:
        return method
    follows = memory.follows(("generator",), momentum=momentum)
    return dataclasses.replace(method, after_update=follows)


def _check_taps(generator: Net, taps: Sequence[str]) -> None:
    missing = [name for name in ("image", *taps) if name not in generator.outputs]
    if missing:
        raise ValueError(
            f"the generator must give {missing} by name, and gives "
            f"{generator.outputs or 'one array'}; make it with output=('image', *taps)"
        )


def _init(generator: Net, discriminator: Net, heads: Net, taps, *, averaged: bool):
    """Initialises all three, and finds views that they cannot take."""

    def init(key, batch):
        source, target = views_of(batch, 2)
        keys = jax.random.split(key, 3)
        made = generator.init(keys[0], source)
        found, _ = jax.eval_shape(generator.apply, *made, source)
        _check_sizes(source, target, found["image"])
        tapped = [jnp.zeros((1, 2, found[tap].shape[-1])) for tap in taps]
        projected = heads.init(keys[1], tapped)
        judging = discriminator.init(keys[2], target)
        names = ("generator", "heads", "discriminator")
        params, stats = (
            dict(zip(names, parts, strict=True))
            for parts in zip(made, projected, judging, strict=True)
        )
        average = {"teacher": {"generator": params["generator"]}} if averaged else {}
        return params, {"stats": stats, **average}

    return init


def _check_sizes(source: Array, target: Array, made: Any) -> None:
    if source.shape != target.shape:
        raise ValueError(
            "views of both domains must be of one size and channels; got "
            f"{source.shape[1:]} and {target.shape[1:]}"
        )
    if made.shape != source.shape:
        raise ValueError(
            f"the generator makes {made.shape[1:]} of views {source.shape[1:]}, which "
            "must be the same: a view's sides are multiples of what it halves and "
            "doubles, 4 for resnet_generator, and its channels those of the view"
        )


def _outputs(generator: Net, tap: str) -> dict[str, Output]:
    """Outputs of the first view in inference mode, of the average if there is one."""

    def made_of(params, extra, image):
        params = extra.get("teacher", params)["generator"]
        return generator.apply(params, extra["stats"]["generator"], image)[0]

    def by_place(params, extra, batch, *, key):
        del key
        return at_least_float32(made_of(params, extra, batch["views"][0])[tap])

    def features(params, extra, batch, *, key):
        return by_place(params, extra, batch, key=key).mean(axis=(1, 2))

    def translation(params, extra, batch, *, key):
        del key
        return made_of(params, extra, batch["views"][0])["image"]

    def pictures(params, extra, batch, *, key):
        source, target = views_of(batch, 2)
        return {
            "source": source,
            "translation": translation(params, extra, batch, key=key),
            "target": target,
            "identity": made_of(params, extra, target)["image"],
        }

    return {
        "features": features,
        "map": by_place,
        "pictures": pictures,
        "translation": translation,
    }
