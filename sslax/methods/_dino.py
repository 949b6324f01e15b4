"""DINO: a student of all crops follows its own slow teacher of the large ones."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import losses, memory, models
from sslax.arrays import value_at
from sslax.checks import check_positive, check_probability
from sslax.core import Aux, Method, Net, compared
from sslax.methods._crops import by_image
from sslax.methods._teacher import entropy, of_teacher
from sslax.nets import chain, project_crops, readings, views_of
from sslax.schedules import Schedule

__all__ = ["dino"]


def dino(
    encoder: Net,
    *,
    dim: int = 65536,
    hidden: int = 2048,
    bottleneck: int = 256,
    with_gain: bool = False,
    momentum: Schedule | float = 0.996,
    student_temperature: float = 0.1,
    teacher_temperature: Schedule | float = 0.04,
    centre_momentum: float = 0.9,
) -> Method:
    """A student of every crop takes the sharpened, centred view of a large one.

    The teacher sees the first two views, and is the moving average of the student's
    encoder and head. Its statistics are of its own batches; it drops no paths. The
    centre, a running mean of the teacher's logits, keeps one prototype from taking all
    images, the low temperature keeps all from being alike. The last layer rests in the
    first epoch by the optimizer: `optim.frozen(..., match=("prototypes",), steps=...)`.

    Args:
      encoder: images of the sizes of all crops to features [b d].
      dim: the number of prototypes, the classes that the teacher makes up.
      hidden: width of the head.
      bottleneck: dimension of the sphere before the prototypes.
      with_gain: the length of each prototype is learned; released ViT-S have it.
      momentum: of the teacher, a number or a schedule; the paper's is
        `schedules.cosine(start=0.996, end=1.0, steps=...)`.
      student_temperature: of the predictions.
      teacher_temperature: of the targets, a number or a schedule, at most 0.07.
      centre_momentum: of the centre; 1 leaves it at 0, without centring.

    Returns:
      A method with groups "encoder" and "head", for batches of `views.multi_crop` or
      `views.two_views`. What is evaluated is the teacher. It logs the mean entropy of
      the targets: near 0 or log(dim) the teacher has collapsed.

    Raises:
      ValueError: if a temperature or momentum is out of range; and, when it is called,
        if there are fewer than two views.

    Example:
      >>> method = dino(models.convnet(), dim=256, hidden=128, bottleneck=32)

    References:
      Caron et al., Emerging Properties in Self-Supervised Vision Transformers, 2021,
      arXiv:2104.14294, equations 1 to 4 and algorithm 1.
    """
    check_positive(
        student_temperature=student_temperature,
        teacher_temperature=value_at(teacher_temperature, 0),
    )
    check_probability(centre_momentum=centre_momentum)
    head = models.dino_head(
        dim=dim, hidden=hidden, bottleneck=bottleneck, with_gain=with_gain
    )
    net = chain(encoder=encoder, head=head)

    def init(key, batch):
        params, stats = net.init(key, batch["views"][0])
        return params, {
            "stats": stats,
            "teacher": params,
            "teacher_stats": stats,
            "centre": jnp.zeros((dim,), jnp.float32),
        }

    def embed(params, extra, batch, *, key, step):
        del step
        views = views_of(batch, 2, more=True)
        student, stats = project_crops(
            encoder, head, params, extra["stats"], views, key=key
        )
        taught, teacher_stats = project_crops(
            encoder,
            head,
            extra["teacher"],
            extra["teacher_stats"],
            views[:2],
            key=None,
        )
        new = {"stats": stats, "teacher_stats": teacher_stats}
        return by_image((student, taught)), new

    def compare(params, extra, batch, embeddings, *, key, step):
        del params, batch, key
        student, taught = by_image(embeddings)
        taught, centre = jax.lax.stop_gradient(taught), extra["centre"]
        sharpness = value_at(teacher_temperature, step)
        value = losses.dino(
            student,
            taught,
            centre,
            student_temperature=student_temperature,
            teacher_temperature=sharpness,
        )
        moved = memory.update_centre(centre, taught, momentum=centre_momentum)
        found = {"entropy": entropy((taught - centre[None, None]) / sharpness)}
        return value, Aux({**extra, "centre": moved}, found)

    return Method(
        init=init,
        objectives={"ssl": compared(embed, compare)},
        outputs=of_teacher(readings(net, "encoder", encoder)),
        after_update=memory.follows(("encoder", "head"), momentum=momentum),
    )
