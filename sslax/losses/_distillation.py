"""A student that takes the distribution of a teacher."""

from __future__ import annotations

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.arrays import one_float_type
from sslax.checks import check_positive, check_same_shape, check_shape
from sslax.losses._numerics import inner, reduced
from sslax.losses._prototypes import paired_cross_entropy


def distillation(
    student: Float[Array, "*b k"],
    teacher: Float[Array, "*b k"],
    *,
    temperature: ArrayLike = 1.0,
    reduction: str = "mean",
) -> Float[Array, "*out"]:
    """Cross-entropy of the student against the softened teacher.

    loss = mean_i -sum_k softmax(teacher_i / t)_k log softmax(student_i / t)_k

    The last stage of SimCLRv2, on unlabelled images. `dino` adds a centre, two
    temperatures and pairs of views.

    Args:
      student: logits.
      teacher: logits; the method stops their gradient.
      temperature: above 0, of both; SimCLRv2 uses 0.1 for distillation to itself and 1
        for smaller students.
      reduction: "mean", or "none" for one value per row.

    Returns:
      A scalar: the KL divergence plus the teacher's entropy (or values of shape `*b`).

    Raises:
      ValueError: if shapes differ or if the temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> round(float(distillation(jnp.zeros((2, 4)), jnp.zeros((2, 4)))), 4)
      1.3863

    Note:
      The official code multiplies by t^2, as Hinton et al. advise; the equation of the
      paper, which is followed here, does not.

    References:
      Chen et al., "Big Self-Supervised Models are Strong Semi-Supervised Learners",
      2020, arXiv:2006.10029, equation 2.
    """
    check_same_shape(student=student, teacher=teacher)
    check_positive(temperature=temperature)
    student, teacher = one_float_type(student, teacher)
    log_p = jax.nn.log_softmax(student / temperature, axis=-1)
    q = jax.nn.softmax(teacher / temperature, axis=-1)
    return reduced(-inner(q, log_p), reduction)


def dino(
    student: Float[Array, "v b k"],
    teacher: Float[Array, "g b k"],
    centre: Float[Array, " k"],
    *,
    student_temperature: ArrayLike = 0.1,
    teacher_temperature: ArrayLike = 0.04,
) -> Float[Array, ""]:
    """DINO: every view of the student learns the centred, sharpened teacher's views.

    loss = mean_{g != v} mean_b -sum_k q_gbk log softmax_k(s_vbk / t_s),
    q = softmax((teacher - centre) / t_t)

    `swav` balances its targets with `sinkhorn` where this one subtracts a centre.

    Args:
      student: logits of v crops, the g global ones first.
      teacher: logits of the g global crops; the method stops their gradient.
      centre: running mean of the teacher's logits *before* this batch
        (`memory.update_centre`).
      student_temperature: above 0; the paper uses 0.1.
      teacher_temperature: above 0; the paper warms up from 0.04 to 0.07.

    Returns:
      A scalar, at least 0: the mean over the pairs of different crops.

    Raises:
      ValueError: if the shapes do not fit, if no pair of different crops is there, or
        if a temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> logits = jnp.zeros((2, 3, 4))
      >>> round(float(dino(logits, logits, jnp.zeros(4))), 4)
      1.3863

    References:
      Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", 2021,
      arXiv:2104.14294, equation 3 and algorithm 1.
    """
    check_positive(student_temperature=student_temperature)
    check_positive(teacher_temperature=teacher_temperature)
    views, targets = student.shape[0], teacher.shape[0]
    check_shape((targets, *student.shape[1:]), teacher=teacher)
    check_shape(student.shape[2:], centre=centre)
    if not 1 <= targets <= views or views < 2:
        raise ValueError(
            f"expected two student crops or more, the teacher's first, got {views} of "
            f"the student and {targets} of the teacher"
        )
    student, teacher, centre = one_float_type(student, teacher, centre)
    q = jax.nn.softmax((teacher - centre[None, None, :]) / teacher_temperature, axis=-1)
    log_p = jax.nn.log_softmax(student / student_temperature, axis=-1)
    return paired_cross_entropy(q, log_p, range(targets))
