"""CPC v2: every code is told from all of the batch, in four directions."""

from __future__ import annotations

import jax.numpy as jnp

from sslax import losses, memory, models
from sslax.checks import check_choice, check_not_negative, check_positive
from sslax.core import Aux, Method, Net, compared
from sslax.methods._grids import by_patch, check_rows, grid_readings, patches_of, turned
from sslax.methods._teacher import of_teacher
from sslax.nets import chain
from sslax.schedules import Schedule

__all__ = ["cpc_v2"]


def cpc_v2(
    encoder: Net,
    context: Net,
    *,
    dim: int = 64,
    steps: int = 3,
    first: int = 2,
    scale: float = 0.1,
    directions: int = 4,
    momentum: Schedule | float = 0.9999,
) -> Method:
    """Projected codes of patches are told, by what stands above, from all of the batch.

    Every patch of a grid is encoded alone. In each direction the grid of codes is
    turned, a context of its own sums up the rows at and above a place, and a linear
    layer for each step predicts the projections further down its column. The loss is
    the sum over steps and the mean over directions.

    Args:
      encoder: patches [n p p c] to codes [n d]; `models.cpc_resnet` is the paper's.
        Batch norm, here or in the context, would tell a patch of the others.
      context: grids of codes [b h w d] to contexts [b h w e], which must not see the
        rows below: `models.cpc_context`; each direction has one of this kind.
      dim: dimension of projections and predictions.
      steps: how many rows are predicted.
      first: rows that are left out before them: 2 where patches of 80 pixels stand
        every 36, and so share pixels two rows down.
      scale: of the predictions.
      directions: 1 looks down, 4 to all sides.
      momentum: of the average of the encoder that is evaluated, a number or a schedule.

    Returns:
      A method with groups "encoder" and "target", and for each direction "context0" and
      "predictor0" ..., for batches of `views.overlapping_patches`, which are evaluated
      in patches too. The features are the mean code of the grid [b d], the map
      [b h w d] are the codes, both of the averaged encoder.

    Raises:
      ValueError: for a size, scale, or number of steps, rows or directions that makes
        no sense; when traced, for other views, or a grid with too few rows.

    Note:
      There is no released code. The pseudocode of the paper is followed, in whose ports
      the steps differ: here each is a layer of its own, counted once.

    Example:
      >>> from sslax import models
      >>> encoder = models.cpc_resnet(depth=50, width=0.125)
      >>> method = cpc_v2(encoder, models.cpc_context(hidden=32))

    References:
      Henaff et al., Data-Efficient Image Recognition with Contrastive Predictive
      Coding, 2019, arXiv:1905.09272, equation 1 and appendix A.2.
    """
    check_positive(dim=dim, steps=steps, scale=scale)
    check_choice((1, 2, 3, 4), directions=directions)
    check_not_negative(first=first)
    encoder = by_patch(encoder)
    nets, reads = {"encoder": encoder, "target": models.linear(dim=dim)}, {}
    for i in range(directions):
        nets[f"context{i}"] = _turning(context, i)
        reads[f"context{i}"] = ("encoder", None)
        nets[f"predictor{i}"] = models.linear(dim=steps * dim)
    net = chain(reads=reads, **nets)

    def init(key, batch):
        params, stats = net.init(key, patches_of(batch))
        return params, {
            "stats": stats,
            "teacher": {"encoder": params["encoder"]},
            "teacher_stats": {"encoder": stats["encoder"]},
        }

    def embed(params, extra, batch, *, key, step):
        del step
        out, stats = net.apply(
            params, extra["stats"], patches_of(batch), train=True, key=key
        )
        predictions = [out[f"predictor{i}"] for i in range(directions)]
        new = {"stats": stats, "teacher_stats": {"encoder": stats["encoder"]}}
        return (out["target"], predictions), new

    def compare(params, extra, batch, embeddings, *, key, step):
        del params, batch, key, step
        codes, predictions = embeddings
        targets = [turned(codes, i) for i in range(directions)]
        check_rows(targets, steps=steps, skip=first)
        values = []
        for target, prediction in zip(targets, predictions, strict=True):
            query = scale * prediction
            query = query.reshape(*query.shape[:3], steps, dim).transpose(3, 0, 1, 2, 4)
            values.append(losses.cpc_v2(query, target, first=first))
        return jnp.mean(jnp.stack(values)), Aux(extra)

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs=of_teacher(grid_readings(encoder)),
        after_update=memory.follows(("encoder",), momentum=momentum),
    )


def _turning(net: Net, times: int) -> Net:
    """A net that sees a grid turned."""

    def init(key, grid):
        return net.init(key, turned(grid, times))

    def apply(params, stats, grid, **options):
        return net.apply(params, stats, turned(grid, times), **options)

    return Net(init, apply)
