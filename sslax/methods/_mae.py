"""MAE: masked autoencoders."""

from __future__ import annotations

import jax

from sslax import augment, losses
from sslax.core import Aux, Method, Net, Objective
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
        (image,), mask = batch["views"], batch["mask"]
        return {
            "image": image,
            "visible": _paint(image, 0 * pixels, mask, patch_size, False),
            "painted": _paint(image, pixels, mask, patch_size, normalize_target),
        }

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs={**_readings(encoder, patch_size), "pictures": pictures},
    )


def _readings(encoder, patch_size):
    """Outputs of the encoder on all patches of the first view, in inference mode."""

    def seen(params, extra, batch):
        stats, (image, *_) = extra["stats"]["encoder"], batch["views"]
        return encoder.apply(params["encoder"], stats, image)[0]

    def by_place(params, extra, batch, *, key):
        del key
        tokens = main_output(encoder, seen(params, extra, batch))
        grid = [side // patch_size for side in batch["views"][0].shape[1:3]]
        return tokens[:, 1:].reshape(len(tokens), *grid, -1)

    def features(params, extra, batch, *, key):
        return by_place(params, extra, batch, key=key).mean(axis=(1, 2))

    def attention(params, extra, batch, *, key):
        del key
        return seen(params, extra, batch)["attention"]

    read = {"features": features, "map": by_place}
    looks = {"attention": attention} if "attention" in encoder.outputs else {}
    return {**read, **looks}


def _paint(image, pixels, mask, patch_size, normalized):
    """The image with its hidden patches replaced by predicted ones."""
    patches = augment.patchify(image, patch_size=patch_size)
    if normalized:
        mean = patches.mean(axis=-1, keepdims=True)
        pixels = pixels * patches.std(axis=-1, keepdims=True, ddof=1) + mean
    hidden = mask[..., None]
    painted = hidden * pixels + (1 - hidden) * patches
    grid = (image.shape[1] // patch_size, image.shape[2] // patch_size)
    return augment.unpatchify(painted, patch_size=patch_size, grid=grid)
