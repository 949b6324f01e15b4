"""BYOL: predict the projection of a slow teacher."""

from __future__ import annotations

import jax

from sslax import losses, memory, models
from sslax.core import Aux, Method, Net, Objective
from sslax.nets import chain, each, readings
from sslax.schedules import Schedule

__all__ = ["byol"]


def byol(
    encoder: Net,
    *,
    hidden: int = 4096,
    dim: int = 256,
    momentum: Schedule | float = 0.996,
) -> Method:
    """A student predicts, from one view, what its teacher projects of the other.

    The teacher is the moving average of the student's encoder and projector. It runs on
    the statistics of its own batch, and keeps running ones that are not averaged. The
    two views pass one after the other: batch norm never mixes them.

    Args:
      encoder: images to features [b d].
      hidden: width of projector and predictor.
      dim: dimension of the projections.
      momentum: momentum of the teacher, a number or a schedule; the paper's is
        `schedules.cosine(start=0.996, end=1.0, steps=...)`.

    Returns:
      A method with groups "encoder", "projector" and "predictor", for batches of
      `views.two_views`.

    Note:
      The teacher starts as a copy of the student; the released code starts it from
      another seed, with the same result.

    Example:
      >>> method = byol(models.convnet(), hidden=128, dim=32)

    References:
      Grill et al., Bootstrap Your Own Latent, 2020, arXiv:2006.07733, equations 1 to 3.
    """
    head = models.mlp(
        hidden=hidden,
        dim=dim,
        bias=True,
        last_bias=False,
        init="lecun",
        bn_unbiased=False,
    )
    teacher = chain(encoder=encoder, projector=head)
    student = chain(encoder=encoder, projector=head, predictor=head)

    shared_groups = ("encoder", "projector")

    def shared(tree):
        return {k: tree[k] for k in shared_groups}

    def init(key, batch):
        params, stats = student.init(key, batch["views"][0])
        return params, {
            "stats": stats,
            "teacher": shared(params),
            "teacher_stats": shared(stats),
        }

    def loss(params, extra, batch, *, key, step):
        del step
        keys = jax.random.split(key)
        views = batch["views"]
        online, stats = each(student, params, extra["stats"], views, key=keys[0])
        target, teacher_stats = each(
            teacher, extra["teacher"], extra["teacher_stats"], views, key=keys[1]
        )
        q1, q2 = (out["predictor"] for out in online)
        z1, z2 = jax.lax.stop_gradient([out["projector"] for out in target])
        value = losses.cosine_regression(q1, z2) + losses.cosine_regression(q2, z1)
        return value, Aux({**extra, "stats": stats, "teacher_stats": teacher_stats})

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss, separable=True)},
        outputs=readings(student, "encoder", encoder),
        after_update=memory.follows(shared_groups, momentum=momentum),
    )
