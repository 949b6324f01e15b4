"""MoCo v3: momentum contrast within the batch, for ResNets and transformers."""

from __future__ import annotations

import functools

import jax

from sslax import losses, memory, models
from sslax.arrays import check_positive
from sslax.core import Aux, Method, Net, Objective
from sslax.nets import chain, each, readings, views_of
from sslax.schedules import Schedule

__all__ = ["moco_v3"]


def moco_v3(
    encoder: Net,
    *,
    hidden: int = 4096,
    dim: int = 256,
    depth: int = 3,
    predictor_norm: bool = True,
    momentum: Schedule | float = 0.99,
    temperature: float = 0.2,
) -> Method:
    """A student predicts, among the teacher's projections of the batch, the right one.

    There is no queue: the keys are those of the global batch, of the other view alone.
    Student and teacher see one view after the other, each in the statistics of its own
    batch; the teacher's running statistics are not averaged.

    Args:
      encoder: images to features [b d]. The paper's transformers have "sincos_row"
        positions, `init="xavier_qkv"` and a patch projection that stays as it starts:
        `freeze_patches=True`, and `optim.frozen(..., match=("patch_embed",))` so that
        weight decay leaves it alone too.
      hidden: width of projector and predictor.
      dim: dimension of projections and predictions.
      depth: layers of the projector: 3 for transformers, 2 for ResNets.
      predictor_norm: batch norm without scale and offset behind the predictor as well
        as behind the projector: transformers have it, ResNets have not.
      momentum: momentum of the teacher, a number or a schedule; the paper's is
        `schedules.cosine(start=0.99, end=1.0, steps=...)`.
      temperature: 0.2 for transformers, 1.0 for ResNet-50.

    Returns:
      A method with groups "encoder", "projector" and "predictor", for batches of
      `views.two_views`.

    Raises:
      ValueError: if the temperature is not positive or the momentum outside [0, 1];
        while it is traced, if there are not two views of two images or more.

    Note:
      The released code averages at the head of a step: so does this, at the end of the
      one before, and the teacher that is kept is one average ahead.

    Example:
      >>> method = moco_v3(models.convnet(), hidden=128, dim=32, depth=2)

    References:
      Chen, Xie and He, An Empirical Study of Training Self-Supervised Vision
      Transformers, 2021, arXiv:2104.02057, algorithm 1 and section 4.
    """
    check_positive(temperature=temperature)
    head = functools.partial(models.mlp, hidden=hidden, dim=dim, last_bias=False)
    shared = {"encoder": encoder, "projector": head(depth=depth, last_norm="plain")}
    predictor = head(last_norm="plain" if predictor_norm else None)
    teacher, student = chain(**shared), chain(**shared, predictor=predictor)

    def init(key, batch):
        params, stats = student.init(key, views_of(batch, 2, least=2)[0])
        return params, {
            "stats": stats,
            "teacher": {k: params[k] for k in shared},
            "teacher_stats": {k: stats[k] for k in shared},
        }

    def loss(params, extra, batch, *, key, step):
        del step
        keys, views = jax.random.split(key), views_of(batch, 2, least=2)
        online, stats = each(student, params, extra["stats"], views, key=keys[0])
        slow, teacher_stats = each(
            teacher, extra["teacher"], extra["teacher_stats"], views, key=keys[1]
        )
        q1, q2 = (out["predictor"] for out in online)
        k1, k2 = jax.lax.stop_gradient([out["projector"] for out in slow])
        value = losses.moco_v3(q1, q2, k1, k2, temperature=temperature)
        return value, Aux({**extra, "stats": stats, "teacher_stats": teacher_stats})

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss)},
        outputs=readings(student, "encoder", encoder),
        after_update=memory.follows(tuple(shared), momentum=momentum, ahead=True),
    )
