"""Distillation: a student learns the classes that a frozen teacher gives to images."""

from __future__ import annotations

import jax
import optax

from sslax import losses, models
from sslax.core import Aux, Method, Net, Objective
from sslax.nets import chain, features_of, readings

__all__ = ["distillation"]


def distillation(
    encoder: Net,
    teacher: Net,
    *,
    classes: int,
    projector: Net | None = None,
    temperature: float | int = 1.0,
    label_weight: float | int = 0.0,
) -> Method:
    """A student takes the soft labels of a fine-tuned teacher, on unlabelled images.

    The teacher stands in `extra["teacher"]`, with its statistics in
    `extra["teacher_stats"]`, and comes there by a graft from the run that fine-tuned
    it: `config.start = (dict(run="…", take="params", put="extra/teacher"),)`. It runs
    in inference mode on the view that the student sees, and never changes.

    Args:
      encoder: the student: images to features [b d], of any size.
      teacher: images to features, the encoder of the run that the teacher comes from.
      classes: the number of classes.
      projector: what stands between the features and the classifier of the teacher, as
        in the `classifier` that it comes from.
      temperature: of both, above 0: 1 for a smaller student, 0.1 for one of the
        teacher's size.
      label_weight: w of (1 - w) distillation + w cross-entropy with the labels; 0 needs
        no labels.

    Returns:
      A method with groups "encoder" and "classifier", for batches with one view. Its
      outputs are "features", of the student's encoder, and "logits".

    Raises:
      ValueError: if `label_weight` is not in [0, 1], the temperature is not positive,
        or there are fewer than two classes; and, when it is called, if a batch lacks
        the labels that have a weight.

    Example:
      >>> method = distillation(models.convnet(), models.convnet(), classes=10)

    References:
      Chen et al., Big Self-Supervised Models are Strong Semi-Supervised Learners, 2020,
      arXiv:2006.10029, equations 2 and 3. Hinton et al., Distilling the Knowledge in a
      Neural Network, 2015, arXiv:1503.02531.

    Note:
      The distillation is multiplied by the square of the temperature, as the released
      code does and the paper's equation does not: the gradient then keeps its size at
      every temperature. The released notebook runs the student's batch norm in
      inference mode; here it is trained.
    """
    if classes < 2:
        raise ValueError(f"classes must be at least 2; got {classes}")
    if temperature <= 0:
        raise ValueError(f"temperature must be positive; got {temperature}")
    if not 0 <= label_weight <= 1:
        raise ValueError(f"label_weight must be in [0, 1]; got {label_weight}")
    head = models.linear(dim=classes, init="normal")
    between = {} if projector is None else {"projector": projector}
    net = chain(encoder=encoder, classifier=head)
    frozen = chain(encoder=teacher, **between, classifier=head)

    def init(key, batch):
        image = batch["views"][0]
        student_key, teacher_key = jax.random.split(key)
        params, stats = net.init(student_key, image)
        teacher, teacher_stats = frozen.init(teacher_key, image)
        return params, {
            "stats": stats,
            "teacher": teacher,
            "teacher_stats": teacher_stats,
        }

    def loss(params, extra, batch, *, key, step):
        del step
        image = batch["views"][0]
        out, stats = net.apply(params, extra["stats"], image, train=True, key=key)
        taught, _ = frozen.apply(extra["teacher"], extra["teacher_stats"], image)
        logits = out["classifier"]
        teacher = jax.lax.stop_gradient(taught["classifier"])
        value = temperature**2 * losses.distillation(
            logits, teacher, temperature=temperature
        )
        if label_weight:
            supervised = optax.softmax_cross_entropy_with_integer_labels(
                logits, _labels(batch)
            ).mean()
            value = (1 - label_weight) * value + label_weight * supervised
        agreement = (logits.argmax(axis=-1) == teacher.argmax(axis=-1)).mean()
        return value, Aux({**extra, "stats": stats}, {"agreement": agreement})

    return Method(
        init=init,
        objectives={"distillation": Objective(loss=loss, separable=True)},
        outputs={
            **readings(net, "encoder", encoder),
            "logits": features_of(net, "classifier"),
        },
        given=("extra/teacher",),
    )


def _labels(batch):
    if "label" not in batch:
        raise ValueError(
            f"label_weight needs labels: the batch has no 'label', only {sorted(batch)}"
        )
    return batch["label"]
