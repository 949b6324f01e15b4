"""SimMIM: masked pixels by a linear head."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import losses
from sslax.checks import check_positive
from sslax.core import Aux, Method, Net, Objective
from sslax.losses.parts import centred_windows
from sslax.methods._painting import mask_on_patches, paint, readings_by_place
from sslax.nets import chain, views_of

__all__ = ["simmim"]


def simmim(
    encoder: Net, decoder: Net, *, patch_size: int = 4, window: int | None = None
) -> Method:
    """Put a token in the place of large hidden units and paint them by a linear layer.

    Args:
      encoder: `(images [b h w c], None, mask [b h/p w/p] | None) -> map [b i j d]`, its
        main output: a Swin made with `masked="token"`, or a ViT with `mask_token=True`
        and `output=("map", ...)`.
      decoder: maps `[b i j d]` to images `[b h w c]`, as `models.simmim_decoder` does.
      patch_size: side of the encoder's patches in pixels, on whose grid the mask is.
      window: side in pixels of the window around each pixel in whose mean and
        deviation it is predicted, odd, 47 in SwinV2; None predicts pixels as they are.

    Returns:
      A method with groups "encoder" and "decoder", for batches of `views.masked` with
      `views.hide_units`; features and map are of one view without a mask.

    Raises:
      ValueError: for a window that is not odd or less than 3 pixels; and before the
        first step, for a mask on another grid and a decoder that paints another size.

    Example:
      >>> from sslax import models
      >>> method = simmim(
      ...     models.swin(window_size=6, masked="token", output="map"),
      ...     models.simmim_decoder(patch_size=32),
      ... )

    Note:
      The features are the mean over the places of the map, as in its fine-tuning. With
      micro-batches the loss is the mean of theirs. The code advances its schedule after
      an update and clips whenever a micro-batch was added: see `schedules.by_epoch` and
      `optim.clipped`. It decays Swin's tables of relative positions, which it means to
      exclude; the recipes here do as the code does.

    References:
      Xie et al., SimMIM: A Simple Framework for Masked Image Modeling, 2021,
      arXiv:2111.09886, section 3 and equation 1. Liu et al., Swin Transformer V2:
      Scaling Up Capacity and Resolution, 2021, arXiv:2111.09883 (windows, in its code).
    """
    check_positive(patch_size=patch_size)
    if window is not None and (window < 3 or window % 2 == 0):
        raise ValueError(
            f"window must be an odd number of pixels, at least 3; got {window}, and "
            f"the nearest is {max(window + 1, 3)}"
        )
    net = chain(encoder=encoder, decoder=decoder)

    def inputs(batch):
        return (
            views_of(batch, 1)[0],
            None,
            mask_on_patches(batch, patch_size=patch_size),
        )

    def init(key, batch):
        params, stats = net.init(key, *inputs(batch))
        return params, {"stats": stats}

    def predict(params, extra, batch, *, train, key):
        image, _, mask = inputs(batch)
        out, stats = net.apply(
            params, extra["stats"], image, None, mask, train=train, key=key
        )
        _check_size(out["decoder"], image)
        return image, out["decoder"], mask, stats

    def loss(params, extra, batch, *, key, step):
        del step
        image, painted, mask, stats = predict(params, extra, batch, train=True, key=key)
        target = image
        if window is not None:
            target = losses.normalize_windows(image, window=window)
        return losses.masked_l1(painted, target, mask), Aux({"stats": stats})

    def pictures(params, extra, batch, *, key):
        image, painted, mask, _ = predict(params, extra, batch, train=False, key=key)
        if window is not None:
            centred, variance = centred_windows(image, window=window)
            painted = image - centred + painted * jnp.sqrt(variance)
        return paint(image, painted, mask)

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs={
            **readings_by_place(encoder, patch_size=patch_size),
            "pictures": pictures,
        },
    )


def _check_size(painted: jax.Array, image: jax.Array) -> None:
    if painted.shape != image.shape:
        raise ValueError(
            f"the decoder paints images of {painted.shape[1:]} where the views are "
            f"{image.shape[1:]}; its patch_size must be the pixels on a side of one "
            "place of the encoder's map (32 of Swin, 16 of ViT), and its channels the "
            "view's"
        )
