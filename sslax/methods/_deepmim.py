"""DeepMIM: middle layers of a masked autoencoder paint as well."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax import augment, losses
from sslax.augment.parts import grid_of, statistics_of
from sslax.core import Aux, Batch, Method, Net, Objective
from sslax.methods._autoencoder import autoencoder
from sslax.methods._painting import (
    mask_on_patches,
    paint,
    painted_patches,
    readings_by_place,
)
from sslax.nets import main_output

__all__ = ["deepmim"]


def deepmim(
    encoder: Net,
    decoder: Net,
    *,
    taps: Sequence[str] = ("block5", "block7", "block9", "tokens"),
    patch_size: int = 16,
    normalize_target: bool = True,
    teacher: Net | None = None,
    normalized: str | None = None,
    teacher_normalized: str | None = None,
) -> Method:
    """A masked autoencoder whose middle layers have decoders and losses of their own.

    All of them predict the same: the pixels of the hidden patches or, with a teacher,
    its features of them. The teacher sees the whole view and never changes. It stands
    in `extra["teacher"]["encoder"]`, its statistics in `extra["teacher_stats"]`, and
    comes there by `config.start`: `RUN:params/encoder=extra/teacher/encoder`, of a run
    or of converted weights. A run that starts without it does not begin.

    Args:
      encoder: `(images [b h w c], keep [b k] | None) -> {name: tokens [b 1+k d]}`, with
        the names of `taps`; the first of its outputs is evaluated:
        `models.mae_encoder(output=("tokens", "block5", "block7", "block9"))`.
      decoder: `(taps, restore [b n]) -> predictions [b n d] of each`:
        `models.deep_mim_decoder`, whose `dim` is p*p*c or the teacher's.
      taps: the outputs that are supervised, from below. "block5" is the sixth block,
        raw, "tokens" the last one through the final norm.
      patch_size: side of a patch in pixels, the encoder's.
      normalize_target: predict each patch of pixels normalised by its own mean and
        unbiased variance.
      teacher: `images -> tokens [b 1+n d]` or a map `[b h w d]` on the same grid of
        patches: `models.clip_vit(output="tokens")` in the paper.
      normalized: the statistics that the views have, `config.normalize`, where the
        teacher has others.
      teacher_normalized: the statistics of the teacher's images; None takes the views
        as they are.

    Returns:
      A method with groups "encoder" and "decoder", for batches of `views.masked` with
      `views.hide_patches`. Without a teacher it paints, by the last tap. It logs the
      loss of each tap; theirs is the sum.

    Raises:
      ValueError: if the encoder lacks a tap, or statistics have no counterpart; and,
        when it is called, if the mask is of another grid or the teacher's features are
        of another grid or width.

    Note:
      The released code has CLIP's features alone; with pixels the loss of a tap is
      MAE's, and weights are equal. The features are the mean over the patch tokens.

    Example:
      >>> from sslax import models
      >>> method = deepmim(
      ...     models.mae_encoder(size="tiny", output=("tokens", "block5")),
      ...     models.deep_mim_decoder(taps=2, dim=768, depth=1),
      ...     taps=("block5", "tokens"),
      ... )

    References:
      Ren et al., DeepMIM: Deep Supervision for Masked Image Modeling, 2023,
      arXiv:2303.08817, section 3.
    """
    _check_taps(encoder, taps)
    start, predict = autoencoder(
        encoder,
        decoder,
        lambda found: [found[name] for name in taps],
        patch_size=patch_size,
    )

    seen = _renormalized(normalized, teacher_normalized)

    def init(key, batch):
        own_key, teacher_key = jax.random.split(key)
        params, extra = start(own_key, batch)
        if teacher is None:
            return params, extra
        params_of, stats_of = teacher.init(teacher_key, seen(batch["views"][0]))
        return params, {
            **extra,
            "teacher": {"encoder": params_of},
            "teacher_stats": {"encoder": stats_of},
        }

    def target_of(extra, batch):
        (image,) = batch["views"]
        if teacher is None:
            target = augment.patchify(image, patch_size=patch_size)
            return losses.normalize_patches(target) if normalize_target else target
        nets = extra["teacher"]["encoder"], extra["teacher_stats"]["encoder"]
        found, _ = teacher.apply(*nets, seen(image))
        return jax.lax.stop_gradient(
            _on_patches(main_output(teacher, found), image, patch_size)
        )

    distance = losses.masked_mse if teacher is None else losses.masked_cosine

    def loss(params, extra, batch, *, key, step):
        del step
        predictions, stats = predict(params, extra, batch, train=True, key=key)
        target, mask = target_of(extra, batch), _flat_mask(batch, patch_size)
        _check_width(predictions, target)
        parts = [distance(x, target, mask) for x in predictions]
        logged = dict(zip(taps, parts, strict=True))
        return sum(parts), Aux({**extra, "stats": stats}, logged)

    def pictures(params, extra, batch, *, key):
        predictions, _ = predict(params, extra, batch, train=False, key=key)
        (image,) = batch["views"]
        painted = painted_patches(
            predictions[-1], image, patch_size=patch_size, normalized=normalize_target
        )
        return paint(image, painted, mask_on_patches(batch, patch_size=patch_size))

    outputs = readings_by_place(encoder, patch_size=patch_size)
    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs=outputs if teacher is not None else {**outputs, "pictures": pictures},
        given=() if teacher is None else ("extra/teacher",),
    )


def _renormalized(before, after):
    """From the statistics of the views to those of the teacher's images."""
    if (before is None) != (after is None):
        raise ValueError(
            f"the views are normalized by {before!r}, the teacher's images by "
            f"{after!r}: give both or none"
        )

    def seen(image):
        if before is None:
            return image
        mean, std = (
            jnp.asarray(x, image.dtype)[None, None, None]
            for x in statistics_of(before, image.shape[-1])
        )
        return augment.normalize(image * std + mean, statistics=after)

    return seen


def _check_taps(encoder, taps):
    for name in taps:
        if name not in encoder.outputs:
            raise ValueError(
                f"the tap {name!r} is none of the encoder's outputs "
                f"{encoder.outputs or '(one array)'}; make it with "
                f"output={('tokens', *(t for t in taps if t != 'tokens'))}"
            )


def _flat_mask(batch: Batch, patch_size: int) -> Array:
    mask = mask_on_patches(batch, patch_size=patch_size)
    return mask.reshape(len(mask), -1)


def _on_patches(found, image, patch_size):
    """The teacher's features of the student's patches, `[b n d]`."""
    rows, columns = grid_of(*image.shape[1:3], patch_size)
    if found.ndim == 4:
        places, found = found.shape[1:3], found.reshape(len(found), -1, found.shape[-1])
    else:
        places = (rows, columns) if found.shape[1] - rows * columns in (0, 1) else None
    if places != (rows, columns):
        raise ValueError(
            f"the teacher gives features of {found.shape[1]} places, the student has "
            f"{rows} x {columns} patches: take a teacher with patch_size {patch_size} "
            "and output 'tokens' or 'map'"
        )
    return found[:, -rows * columns :]


def _check_width(predictions, target):
    width = jnp.shape(predictions[0])[-1]
    if width != target.shape[-1]:
        raise ValueError(
            f"the decoder predicts {width} numbers of a patch, its target has "
            f"{target.shape[-1]}: make it with dim={target.shape[-1]}"
        )
