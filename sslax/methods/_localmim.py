"""LocalMIM: masked reconstruction at several depths and scales."""

from __future__ import annotations

from collections.abc import Sequence

import jax

from sslax import augment, losses
from sslax.augment.parts import grid_of
from sslax.checks import check_choice, check_positive
from sslax.core import Aux, Method, Net, Objective
from sslax.methods._painting import (
    mask_on_patches,
    paint,
    painted_patches,
    readings_by_place,
)
from sslax.nets import views_of

__all__ = ["localmim"]


def localmim(
    encoder: Net,
    decoder: Net,
    *,
    taps: Sequence[str],
    target: str = "hog",
    cells: Sequence[int] = (4, 8, 16, 32),
    bins: int = 9,
    normalize_target: bool = True,
    patch_size: int = 16,
) -> Method:
    """Low layers predict fine parts of what is hidden, high layers coarse ones.

    Args:
      encoder: `(images [b h w c], keep, mask) -> dict` of a map or tokens of the last
        layer, its main output, and of the taps. A ViT is given what to keep, a Swin
        made with `masked="hidden"` the mask.
      decoder: `(latents of the taps, places) -> maps [b i j d]` of the targets' shapes,
        as `models.local_mim_decoder` does; places are the order that restores kept
        patches, or the mask on the grid of the last tap.
      taps: outputs of the encoder that are decoded, low to high: "block1", "block3",
        "block9" and "block11" of ViT-B, "merged1", "merged2", "merged3" and "stage4"
        of Swin.
      target: "hog" (histograms of oriented gradients of the view, normalised by mean
        and deviation of the data set) or "pixels".
      cells: side in pixels of what each tap predicts: (8, 16, 32, 32) of Swin.
      bins: directions of the histograms; 18 of ViT-L and Swin.
      normalize_target: predict each cell of pixels in its own mean and unbiased
        variance.
      patch_size: side of the encoder's patches in pixels, on whose grid the mask is.

    Returns:
      A method with groups "encoder" and "decoder", for batches of `views.masked` with
      `views.hide_patches` (ViT) or with whole units of the coarsest cells (Swin);
      pictures, where pixels are predicted, are of the finest cells.

    Raises:
      ValueError: for a tap that the encoder does not give, an unknown target, or cells
        of another number than taps; and before the first step, for what does not fit.

    Example:
      >>> from sslax import models
      >>> taps = ("block0", "block1")
      >>> method = localmim(
      ...     models.vit(
      ...         size="tiny", positions="sincos", init="xavier", output=("map", *taps)
      ...     ),
      ...     models.local_mim_decoder(scales=(2, 0.5), width=64),
      ...     taps=taps,
      ...     cells=(8, 32),
      ... )

    Note:
      After a merging, the released Swin takes windows and offsets of the visible places
      in another order than theirs: here they are those of the true places, computed
      with hidden ones that nobody attends to. Its ViT-L keeps a random bias in the
      gradients of the histograms, by an oversight; here they have none. The final norm
      of the encoder has no gradient: every tap has a norm in its decoder.

    References:
      Wang et al., Masked Image Modeling with Local Multi-Scale Reconstruction, 2023,
      arXiv:2303.05251, section 3.
    """
    check_choice(("hog", "pixels"), target=target)
    check_positive(patch_size=patch_size, bins=bins)
    _check_taps(encoder, taps, cells)

    def wanted(batch):
        (image,) = batch["views"]
        if target == "hog":
            return [losses.hog(image, bins=bins, cell=cell) for cell in cells]
        return [_pixels(image, cell, normalize_target) for cell in cells]

    def seen_by_taps(params, stats, batch, *, train=False, key=None):
        (image,) = views_of(batch, 1)
        mask, kept = mask_on_patches(batch, patch_size=patch_size), batch.get("keep")
        seen = (image, kept) if kept is not None else (image, None, mask)
        out, stats = encoder.apply(params, stats, *seen, train=train, key=key)
        latents = [out[tap] for tap in taps]
        if kept is not None:
            return (latents, batch["restore"]), stats
        coarse = losses.mask_on_grid(mask, grid=latents[-1].shape[1:3])
        return (latents, coarse), stats

    def init(key, batch):
        encoder_key, decoder_key = jax.random.split(key)
        enc, enc_stats = encoder.init(encoder_key, batch["views"][0])
        decoder_inputs, _ = seen_by_taps(enc, enc_stats, batch)
        dec, dec_stats = decoder.init(decoder_key, *decoder_inputs)
        stats = {"encoder": enc_stats, "decoder": dec_stats}
        return {"encoder": enc, "decoder": dec}, {"stats": stats}

    def predict(params, extra, batch, *, train, key):
        keys, stats = jax.random.split(key), extra["stats"]
        enc, dec = ((params[name], stats[name]) for name in ("encoder", "decoder"))
        given, enc_stats = seen_by_taps(*enc, batch, train=train, key=keys[0])
        maps, dec_stats = decoder.apply(*dec, *given, train=train, key=keys[1])
        return maps, {"encoder": enc_stats, "decoder": dec_stats}

    def loss(params, extra, batch, *, key, step):
        del step
        maps, stats = predict(params, extra, batch, train=True, key=key)
        mask = mask_on_patches(batch, patch_size=patch_size)
        return losses.local_mim(maps, wanted(batch), mask), Aux({"stats": stats})

    def pictures(params, extra, batch, *, key):
        (finest, *_), _ = predict(params, extra, batch, train=False, key=key)
        (image,) = batch["views"]
        painted = painted_patches(
            finest, image, patch_size=cells[0], normalized=normalize_target
        )
        return paint(image, painted, mask_on_patches(batch, patch_size=patch_size))

    paints = {"pictures": pictures} if target == "pixels" else {}
    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs={**readings_by_place(encoder, patch_size=patch_size), **paints},
    )


def _check_taps(encoder: Net, taps: Sequence[str], cells: Sequence[int]) -> None:
    missing = [tap for tap in taps if tap not in encoder.outputs[1:]]
    if missing:
        names = ", ".join(map(repr, ("map", *taps)))
        raise ValueError(
            f"the encoder gives {encoder.outputs or 'one array'}, and not "
            f"{', '.join(map(repr, missing))} behind its main output; make it with "
            f"output=({names})"
        )
    if len(cells) != len(taps):
        raise ValueError(
            f"cells must be one for each of {len(taps)} taps; got {tuple(cells)}"
        )


def _pixels(image, cell, normalized):
    """The pixels of each cell, as a map."""
    patches = augment.patchify(image, patch_size=cell)
    if normalized:
        patches = losses.normalize_patches(patches)
    rows, columns = grid_of(*image.shape[1:3], cell)
    return patches.reshape(len(image), rows, columns, -1)
