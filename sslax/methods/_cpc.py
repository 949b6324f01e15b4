"""CPC: a context of the rows above predicts the patches below."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sslax import losses
from sslax.checks import check_choice, check_not_negative, check_positive
from sslax.core import Aux, Method, Net, compared
from sslax.methods._grids import by_patch, check_rows, grid_readings, patches_of, turned
from sslax.nets import chain, each

__all__ = ["cpc"]

# Inside the log of the released loss, which draws its negatives.
_EPSILON = 1e-11


def cpc(
    encoder: Net,
    context: Net,
    *,
    steps: int = 5,
    skip: int = 1,
    negatives: int | None = None,
    directions: int = 1,
) -> Method:
    """Codes of patches are told, by what stands above them, from those of others.

    Every patch of a grid is encoded alone, a context sums up the rows at and above a
    place, and bilinear forms compare it with the codes further down its column. In more
    directions the grid of codes is turned, by 90 degrees each time: all of them have
    the context net, each its own forms, and the loss is their mean.

    Args:
      encoder: patches [n p p c] to codes [n d]; `models.preact_resnet` is the paper's.
        Batch norm, here or in the context, would tell a patch of the others.
      context: grids of codes [b h w d] to contexts [b h w e], which must not see the
        rows below: `models.pixel_cnn` or `models.cpc_context`; `models.gru_context`
        for sequences.
      steps: how many rows are predicted, a form for each.
      skip: rows between a context and the first of them: 1 where patches of neighbours
        overlap, and so share pixels, by half.
      negatives: codes to tell each one from, drawn with replacement from the rows that
        can be predicted; or None for all codes of the batch, as in the paper.
      directions: 1 looks down, 4 to all sides.

    Returns:
      A method with groups "encoder", "context" and "predictor", for batches of
      `views.overlapping_patches`, which are evaluated in patches too, or sequences, as
      of `views.image_rows`: grids of one column. The features are the mean code of the
      grid [b d], the map [b h w d] are the codes.

    Raises:
      ValueError: for a number of steps, rows, negatives or directions that makes no
        sense; when traced, for other views, or a grid with too few rows.

    Note:
      There is no released code for images. Drawn negatives, where the own patch may be
      among them, and a small number inside the log are those of Greedy InfoMax, whose
      CPC this is; directions are those of CPCV2-PyTorch. Parts of a sequence do not
      overlap: they take `skip=0`. A batch that brings negatives of its own keeps them:
      `negatives[direction][step]`, see `losses.cpc_grid`.

    Example:
      >>> from sslax import models
      >>> encoder = models.preact_resnet(stages=(1, 1), width=8, stem="small")
      >>> method = cpc(encoder, models.pixel_cnn(layers=2), steps=3)

    References:
      van den Oord et al., Representation Learning with Contrastive Predictive Coding,
      2018, arXiv:1807.03748, equations 3 and 4, section 3.2.
    """
    check_positive(steps=steps)
    check_choice((1, 2, 3, 4), directions=directions)
    if negatives is not None:
        check_positive(negatives=negatives)
    check_not_negative(skip=skip)
    encoder = by_patch(encoder)
    net = chain(encoder=encoder, context=context)

    def init(key, batch):
        net_key, form_key = jax.random.split(key)
        patches = patches_of(batch)
        params, stats = net.init(net_key, patches)
        out, _ = jax.eval_shape(net.apply, params, stats, patches)
        width, seen = (out[name].shape[-1] for name in ("encoder", "context"))
        shape, limit = (directions, steps, width, seen), width**-0.5
        forms = jax.random.uniform(form_key, shape, minval=-limit, maxval=limit)
        return {**params, "predictor": {"forms": forms}}, {"stats": stats}

    def embed(params, extra, batch, *, key, step):
        del step
        keys, stats = jax.random.split(key, 3), extra["stats"]
        codes, encoder_stats = encoder.apply(
            params["encoder"],
            stats["encoder"],
            patches_of(batch),
            train=True,
            key=keys[0],
        )
        grids = [turned(codes, i) for i in range(directions)]
        check_rows(grids, steps=steps, skip=skip)
        contexts, context_stats = each(
            context, params["context"], stats["context"], grids, key=keys[1]
        )
        stats = {"encoder": encoder_stats, "context": context_stats}
        return (grids, contexts), {"stats": stats}

    def compare(params, extra, batch, embeddings, *, key, step):
        del step
        grids, contexts = embeddings
        forms = params["predictor"]["forms"]
        if negatives is None:
            looks = zip(contexts, grids, forms, strict=True)
            found = [_among_all(*look, skip=skip) for look in looks]
        else:
            if "negatives" in batch:
                noise = batch["negatives"]
            else:
                sizes = {"steps": steps, "skip": skip, "count": negatives}
                noise = _noise(jax.random.split(key, 3)[2], grids, **sizes)
            looks = zip(contexts, grids, forms, noise, strict=True)
            options = {"skip": skip, "epsilon": _EPSILON}
            found = [losses.cpc_grid(*look, **options) for look in looks]
        return jnp.mean(jnp.stack(found)), Aux(extra)

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs=grid_readings(encoder),
    )


def _among_all(
    contexts: Float[Array, "b h w c"],
    codes: Float[Array, "b h w e"],
    forms: Float[Array, "p e c"],
    *,
    skip: int,
) -> Float[Array, ""]:
    """Each code is told from all of the batch."""
    predictions = jnp.einsum(
        "bhwc,pec->pbhwe", contexts, forms, precision=jax.lax.Precision.HIGHEST
    )
    return losses.cpc_v2(predictions, codes, first=skip, reduction="mean")


def _noise(
    key: Array,
    grids: Sequence[Float[Array, "b _h _w e"]],
    *,
    steps: int,
    skip: int,
    count: int,
) -> list[list[Int[Array, "b _r _w n"]]]:
    """For every grid and step, which of the codes it can predict are the negatives."""

    def drawn(key, grid, k):
        batch, height, columns, _ = grid.shape
        rows = height - k - skip
        shape = (batch, rows, columns, count)
        return jax.random.randint(key, shape, 0, batch * rows * columns)

    return [
        [
            drawn(jax.random.fold_in(jax.random.fold_in(key, i), k), grid, k)
            for k in range(1, steps + 1)
        ]
        for i, grid in enumerate(grids)
    ]
