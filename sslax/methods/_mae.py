"""MAE: masked autoencoders."""

from __future__ import annotations

from sslax.core import Method, Net
from sslax.methods._autoencoder import painting_patches

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

    return painting_patches(
        encoder, decoder, patch_size=patch_size, normalize_target=normalize_target
    )
