"""The wiring of a masked autoencoder: one net sees what is kept, one fills the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from sslax import augment, losses
from sslax.core import Aux, Method, Net, Objective
from sslax.methods._painting import (
    mask_on_patches,
    paint,
    painted_patches,
    readings_by_place,
)
from sslax.nets import main_output

__all__ = ["Autoencoder", "autoencoder", "painting_patches"]


class Autoencoder(NamedTuple):
    """An encoder and a decoder with their parameters under these names.

    Attributes:
      init: as a method's, of batches that `views.masked` has made.
      predict: `(params, extra, batch, *, train, key) -> (predictions, stats)`.
    """

    init: Callable[..., Any]
    predict: Callable[..., Any]


def autoencoder(
    encoder: Net,
    decoder: Net,
    latents: Callable[[Any], Any],
    *,
    patch_size: int,
) -> Autoencoder:
    """An encoder of the patches that are kept, and a decoder of all places.

    Args:
      encoder: `(images [b h w c], keep [b k]) -> latents`.
      decoder: `(latents, restore [b n]) -> predictions`.
      latents: what the decoder takes of what the encoder gives.
      patch_size: side of a patch in pixels, for the grid of the mask.

    Returns:
      How they start and how they pass.
    """

    def init(key, batch):
        encoder_key, decoder_key = jax.random.split(key)
        mask_on_patches(batch, patch_size=patch_size)
        (image,), keep = batch["views"], batch["keep"]
        enc, enc_stats = encoder.init(encoder_key, image, keep)
        found, _ = encoder.apply(enc, enc_stats, image, keep)
        dec, dec_stats = decoder.init(decoder_key, latents(found), batch["restore"])
        stats = {"encoder": enc_stats, "decoder": dec_stats}
        return {"encoder": enc, "decoder": dec}, {"stats": stats}

    def predict(params, extra, batch, *, train, key):
        encoder_key, decoder_key = jax.random.split(key)
        (image,), stats = batch["views"], extra["stats"]
        found, enc_stats = encoder.apply(
            params["encoder"],
            stats["encoder"],
            image,
            batch["keep"],
            train=train,
            key=encoder_key,
        )
        out, dec_stats = decoder.apply(
            params["decoder"],
            stats["decoder"],
            latents(found),
            batch["restore"],
            train=train,
            key=decoder_key,
        )
        return out, {"encoder": enc_stats, "decoder": dec_stats}

    return Autoencoder(init, predict)


def painting_patches(
    encoder: Net, decoder: Net, *, patch_size: int, normalize_target: bool
) -> Method:
    """The method of an autoencoder that paints hidden patches, by a squared error.

    Args:
      encoder: its main output are latents, with or without a class token.
      decoder: of them and `restore`, gives pixels [b n p*p*c].
      patch_size: side of a patch in pixels.
      normalize_target: whether each patch is predicted in its own mean and deviation.

    Returns:
      A method with groups "encoder" and "decoder".
    """
    init, predict = autoencoder(
        encoder,
        decoder,
        lambda found: main_output(encoder, found),
        patch_size=patch_size,
    )

    def loss(params, extra, batch, *, key, step):
        del step
        pixels, stats = predict(params, extra, batch, train=True, key=key)
        target = augment.patchify(batch["views"][0], patch_size=patch_size)
        _check_channels(pixels, target, patch_size)
        if normalize_target:
            target = losses.normalize_patches(target)
        return losses.masked_mse(pixels, target, batch["mask"]), Aux({"stats": stats})

    def pictures(params, extra, batch, *, key):
        pixels, _ = predict(params, extra, batch, train=False, key=key)
        (image,) = batch["views"]
        painted = painted_patches(
            pixels, image, patch_size=patch_size, normalized=normalize_target
        )
        return paint(image, painted, mask_on_patches(batch, patch_size=patch_size))

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs={
            **readings_by_place(encoder, patch_size=patch_size),
            "pictures": pictures,
        },
    )


def _check_channels(pixels, target, patch_size: int) -> None:
    paints, has = (x.shape[-1] / patch_size**2 for x in (pixels, target))
    if paints != has:
        raise ValueError(
            f"the decoder paints {paints:g} channels and the images have {has:g}: make "
            f"it with channels={has:g}, --config.method.decoder.channels={has:g}"
        )
