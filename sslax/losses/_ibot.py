"""iBOT: self-distillation of class tokens and of masked patches."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from sslax.arrays import one_float_type
from sslax.checks import (
    check_not_empty,
    check_positive,
    check_rank,
    check_same_shape,
    check_shape,
)
from sslax.losses._distillation import dino
from sslax.losses._numerics import inner, over_rows


def ibot_patches(
    student: Float[Array, "g b n k"],
    teacher: Float[Array, "*as_student"],
    mask: Array,
    centre: Float[Array, "*k"],
    *,
    student_temperature: ArrayLike = 0.1,
    teacher_temperature: ArrayLike = 0.04,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """iBOT's masked image modelling: masked patches learn the teacher's tokens.

    loss = mean_gb sum_n m_gbn h_gbn / max(sum_n m_gbn, 1),
    h = -q . log softmax(s / t_s), q = softmax((teacher - centre) / t_t)

    The student saw the masked crop, the teacher the whole one: the patches at one place
    of one crop belong together.

    Args:
      student: s, `[g b n k]`: logits of every patch of g global crops.
      teacher: `[g b n k]`: the teacher's; the method stops their gradient.
      mask: m, `[g b n]`: 1 where the student's patch was masked.
      centre: `[k]`: running mean of the teacher's patch logits, before this batch.
      student_temperature: t_s, above 0.
      teacher_temperature: t_t, above 0; warms up from 0.04 to 0.07.
      block_size: patches in a block, so that no array of softmaxes `[g b n k]` is ever
        whole in memory; None computes all at once.

    Returns:
      A scalar, at least 0. An image without masked patches counts as 0 in the mean.

    Raises:
      ValueError: if the shapes do not fit or a temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> s, t = jnp.zeros((2, 1, 3, 4)), jnp.zeros((2, 1, 3, 4))
      >>> mask = jnp.array([[[1, 1, 0]], [[0, 0, 0]]])
      >>> round(float(ibot_patches(s, t, mask, jnp.zeros(4))), 4)
      0.6931

    Note:
      As in the official code, the mean over masked patches is taken image by image, and
      crops that were not masked stay in the mean over the batch.

    References:
      Zhou et al., "iBOT: Image BERT Pre-Training with Online Tokenizer", 2021,
      arXiv:2111.07832, equation 3.
    """
    check_rank(4, student=student)
    check_same_shape(student=student, teacher=teacher)
    check_shape(student.shape[:3], mask=mask)
    check_shape(student.shape[3:], centre=centre)
    check_not_empty(student=student)
    check_positive(
        student_temperature=student_temperature, teacher_temperature=teacher_temperature
    )
    student, teacher, mask, centre = one_float_type(student, teacher, mask, centre)
    width = student.shape[-1]

    def patches(row, index):
        s, t = row
        log_p = jax.nn.log_softmax(s / student_temperature)
        return -inner(jax.nn.softmax((t - centre[None]) / teacher_temperature), log_p)

    # Image by image: the batch may lie over devices, and rows of it must not move.
    rows = [jnp.moveaxis(x, 1, 0).reshape((-1, width)) for x in (student, teacher)]
    mask = jnp.moveaxis(mask, 1, 0)
    terms = over_rows(patches, tuple(rows), block_size=block_size).reshape(mask.shape)
    count = jnp.maximum(jnp.sum(mask, axis=-1), 1)
    return jnp.mean(jnp.sum(mask * terms, axis=-1) / count)


def ibot(
    student: Float[Array, "v b k"],
    teacher: Float[Array, "g b k"],
    student_patches: Float[Array, "_ _ n p"],
    teacher_patches: Float[Array, "_ _ _ _"],
    mask: Array,
    centre: Float[Array, " k"],
    patch_centre: Float[Array, " _"],
    *,
    student_temperature: ArrayLike = 0.1,
    teacher_temperature: ArrayLike = 0.04,
    patch_temperature: ArrayLike = 0.04,
    class_weight: float = 1.0,
    patch_weight: float = 1.0,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """iBOT: DINO on the class tokens plus masked image modelling on the patches.

    loss = w_1 dino(student, teacher) + w_2 ibot_patches(student, teacher, mask)

    The class token of a crop learns the teacher's on the other crops; a masked patch
    learns the teacher's at its own place. The student's global crops are the masked
    ones; local crops take part in the first term only.

    Args:
      student: `[v b k]`: class logits of v crops, the g global ones first.
      teacher: `[g b k]`: class logits of the whole global crops.
      student_patches: `[g b n p]`: patch logits of the global crops.
      teacher_patches: `[g b n p]`: the teacher's.
      mask: `[g b n]`: 1 where the student's patch was masked.
      centre: `[k]`: running mean of the teacher's class logits, before this batch.
      patch_centre: `[p]`: running mean of its patch logits, before this batch.
      student_temperature: above 0, for both terms.
      teacher_temperature: above 0, of the class token.
      patch_temperature: above 0, of the teacher's patches.
      class_weight: w_1.
      patch_weight: w_2.
      block_size: patches in a block, see `ibot_patches`.

    Returns:
      A scalar, at least 0.

    Raises:
      ValueError: if the shapes do not fit, no pair of different crops is there, or a
        temperature is not positive.

    Example:
      >>> import jax.numpy as jnp
      >>> cls, patches = jnp.zeros((2, 3, 4)), jnp.zeros((2, 3, 5, 4))
      >>> mask, centre = jnp.ones((2, 3, 5)), jnp.zeros(4)
      >>> round(float(ibot(cls, cls, patches, patches, mask, centre, centre)), 4)
      2.7726

    Note:
      The two centres are updated after the loss from the raw logits of the teacher; the
      one of the patches from all patches, masked or not.

    References:
      Zhou et al., "iBOT: Image BERT Pre-Training with Online Tokenizer", 2021,
      arXiv:2111.07832, equations 2 and 3, algorithm 1.
    """
    check_rank(3, student=student, teacher=teacher)
    check_rank(4, student_patches=student_patches)
    check_shape(teacher.shape[:2], student_patches=student_patches[:, :, 0, 0])
    tokens = dino(
        student,
        teacher,
        centre,
        student_temperature=student_temperature,
        teacher_temperature=teacher_temperature,
    )
    patches = ibot_patches(
        student_patches,
        teacher_patches,
        mask,
        patch_centre,
        student_temperature=student_temperature,
        teacher_temperature=patch_temperature,
        block_size=block_size,
    )
    return class_weight * tokens + patch_weight * patches
