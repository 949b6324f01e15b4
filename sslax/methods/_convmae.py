"""ConvMAE: masked convolutions in front of a masked autoencoder's transformer."""

from __future__ import annotations

from sslax.core import Method, Net
from sslax.methods._autoencoder import painting_patches

__all__ = ["convmae"]


def convmae(
    encoder: Net, decoder: Net, *, patch_size: int = 16, normalize_target: bool = True
) -> Method:
    """MAE whose encoder begins with convolutions that do not see hidden places.

    A place of the coarsest grid is hidden at every scale, and the maps of all scales
    are added up for the decoder. Wiring and loss are MAE's; there is no class token.

    Args:
      encoder: `(images [b h w c], keep [b k] | None) -> latents [b k d]`, as
        `models.convmae_encoder` makes it; without `keep` it sees every place.
      decoder: `(latents [b k d], restore [b n]) -> pixels [b n p*p*c]`:
        `models.mae_decoder(class_token=False)`; it owns the mask token.
      patch_size: side in pixels of a place of the encoder's last grid, the product of
        its strides.
      normalize_target: predict each patch normalised by its own mean and unbiased
        variance.

    Returns:
      A method with groups "encoder" and "decoder", for batches of `views.masked` with
      `views.hide_patches`.

    Raises:
      ValueError: when it is called, if the mask is of another grid.

    Note:
      The features are the mean over the places, of all scales as in pretraining. The
      paper fine-tunes the last stage alone, `convmae_encoder(fusion=False)`.

    Example:
      >>> from sslax import models
      >>> method = convmae(
      ...     models.convmae_encoder(widths=(4, 8, 16), depths=(1, 1, 1), heads=2),
      ...     models.mae_decoder(width=16, depth=1, heads=2, class_token=False),
      ... )

    References:
      Gao et al., ConvMAE: Masked Convolution Meets Masked Autoencoders, 2022,
      arXiv:2205.03892, section 3.
    """
    return painting_patches(
        encoder, decoder, patch_size=patch_size, normalize_target=normalize_target
    )
