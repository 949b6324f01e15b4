"""MAE: masked autoencoders."""

from __future__ import annotations

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

__all__ = ["mae"]


def mae(
    encoder: Net, decoder: Net, *, patch_size: int = 16, normalize_target: bool = True
) -> Method:
    """Hide three quarters of the patches, encode the rest, paint the hidden ones.

    Args:
      encoder: `(images [b h w c], keep [b k] | None) -> latents [b 1+k d]`, the class
        token first; without `keep` it sees every patch.
      decoder: `(latents [b 1+k d], restore [b n]) -> pixels [b n p*p*c]`; it owns the
        mask token.
      patch_size: side of a patch in pixels, the encoder's.
      normalize_target: predict each patch normalised by its own mean and unbiased
        variance.

    Returns:
      A method with groups "encoder" and "decoder", for batches of `views.masked`.

    Note:
      The features are the mean over the patch tokens, which the paper's
      fine-tuning uses; its linear probe reads the class token.

    Example:
      >>> from sslax import models
      >>> method = mae(
      ...     models.mae_encoder(size="tiny", patch_size=4),
      ...     models.mae_decoder(width=64, depth=1, heads=4, patch_size=4),
      ...     patch_size=4,
      ... )

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, section 3.
    """

    def init(key, batch):
        encoder_key, decoder_key = jax.random.split(key)
        (image,), keep = batch["views"], batch["keep"]
        enc, enc_stats = encoder.init(encoder_key, image, keep)
        latents, _ = encoder.apply(enc, enc_stats, image, keep)
        latents = main_output(encoder, latents)
        dec, dec_stats = decoder.init(decoder_key, latents, batch["restore"])
        stats = {"encoder": enc_stats, "decoder": dec_stats}
        return {"encoder": enc, "decoder": dec}, {"stats": stats}

    def predict(params, extra, batch, *, train, key):
        encoder_key, decoder_key = jax.random.split(key)
        (image,), stats = batch["views"], extra["stats"]
        latents, enc_stats = encoder.apply(
            params["encoder"],
            stats["encoder"],
            image,
            batch["keep"],
            train=train,
            key=encoder_key,
        )
        pixels, dec_stats = decoder.apply(
            params["decoder"],
            stats["decoder"],
            main_output(encoder, latents),
            batch["restore"],
            train=train,
            key=decoder_key,
        )
        return pixels, {"encoder": enc_stats, "decoder": dec_stats}

    def loss(params, extra, batch, *, key, step):
        del step
        pixels, stats = predict(params, extra, batch, train=True, key=key)
        target = augment.patchify(batch["views"][0], patch_size=patch_size)
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
