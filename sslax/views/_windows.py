"""Windows of frames, shifted crops, mixed images."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sslax import augment
from sslax.augment import to_float
from sslax.augment.parts import statistics_of
from sslax.checks import check_probability
from sslax.kinds import Builder, View


def frame_crops(*, size: int = 84) -> Builder:
    """Two independent windows of every stack of frames: anchor and positive.

    What follows it, `batch["next_image"]` of a step in an environment, is cut as well,
    at a place of its own.

    Args:
      size: side of the window; the frames of a stack share it.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, two arrays `[b size size c]`, or
      three with that of the next stack.

    Raises:
      ValueError: when called, if the window does not fit, or frames lie on a canvas.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> batch = {"image": jnp.ones((2, 100, 100, 9))}
      >>> jax.jit(frame_crops())(jax.random.key(0), batch)["views"][0].shape
      (2, 84, 84, 9)

    Note:
      As in the released code, the last possible offset is never drawn.

    References:
      Laskin et al., CURL: Contrastive Unsupervised Representations for Reinforcement
      Learning, 2020, arXiv:2004.04136, section 4.
    """

    def views(key, batch):
        _refuse_canvas(batch.get("box"), "frame_crops")
        stacks = [batch["image"]] * 2
        if "next_image" in batch:
            stacks.append(batch["next_image"])
        made = tuple(
            augment.random_crop(
                jax.random.fold_in(key, i), to_float(stack), size=size, last=False
            )
            for i, stack in enumerate(stacks)
        )
        return {**batch, "views": made}

    return views


def shifted(*, padding: int = 4, mode: str = "zero", flip: float = 0.5) -> View:
    """One view that is a padded random shift and flip, the custom for small images.

    Args:
      padding: pixels on each side.
      mode: `zero`, `reflect` or `edge`.
      flip: probability of a left-to-right flip.

    Returns:
      `(key, image [b h w c], box) -> view [b h w c]`, to be used where `view` is.

    Raises:
      ValueError: for a probability outside [0, 1]; when called, for images on a canvas.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> jax.jit(shifted())(jax.random.key(0), jnp.ones((2, 32, 32, 3))).shape
      (2, 32, 32, 3)

    References:
      He et al., Deep Residual Learning for Image Recognition, 2015, arXiv:1512.03385,
      section 4.2.
    """
    check_probability(flip=flip)

    def op(key, image, box=None):
        _refuse_canvas(box, "shifted")
        shift_key, flip_key = jax.random.split(key)
        image = augment.random_shift(
            shift_key, to_float(image), padding=padding, mode=mode
        )
        return augment.random_flip(flip_key, image, probability=flip)

    return op


def _refuse_canvas(box, name: str) -> None:
    if box is not None:
        raise ValueError(
            f"{name} moves whole images and these lie on a canvas with a box each; use "
            "view, or data.canvas=None where all images have one size"
        )


def fine_tuned(
    *,
    view: View,
    classes: int,
    augment_magnitude: float = 9.0,
    erase: float = 0.25,
    mixup: float = 0.8,
    cutmix: float = 1.0,
    smoothing: float = 0.1,
    noise=(0.5, 0.25),
) -> Builder:
    """One view for fine-tuning: RandAugment, erased boxes, mixup or cutmix.

    Args:
      view: makes the view, as `view` gives it: crop and flip.
      classes: the number of classes.
      augment_magnitude: mean magnitude of RandAugment, of 10; 0 leaves it out.
      erase: probability of erasing a box.
      mixup: alpha of mixup; 0 leaves it out.
      cutmix: alpha of cutmix; 0 leaves it out. With both, half of the batches get one
        and half the other.
      smoothing: how much of the target is spread over all classes.
      noise: statistics of the normal noise in erased boxes, as a rule those of the
        data: a name, or (mean, deviation).

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array, and `batch["target"]`,
      float32 `[b classes]`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> make = fine_tuned(view=view(size=16), classes=3, augment_magnitude=0.0)
      >>> batch = {"image": jnp.ones((2, 20, 20, 3)), "label": jnp.array([0, 2])}
      >>> batch = jax.jit(make)(jax.random.key(0), batch)
      >>> batch["views"][0].shape, batch["target"].shape
      ((2, 16, 16, 3), (2, 3))

    References:
      He et al., Masked Autoencoders Are Scalable Vision Learners, 2021,
      arXiv:2111.06377, appendix A, table 9.
    """

    def views(key, batch):
        view_key, augment_key, erase_key, mix_key = jax.random.split(key, 4)
        image = view(view_key, batch["image"], batch.get("box"))
        if augment_magnitude:
            image = augment.random_augment(
                augment_key, image, magnitude=augment_magnitude
            )
        if erase:
            image = _erased(erase_key, image, erase, noise)
        target = jax.nn.one_hot(batch["label"], classes)
        target = (1.0 - smoothing) * target + smoothing / classes
        if mixup or cutmix:
            # An alpha of 0 is never used, but has no Beta distribution to draw from.
            image, target = augment.random_mix(
                mix_key,
                image,
                target,
                mixup_alpha=mixup or 1.0,
                cutmix_alpha=cutmix or 1.0,
                switch=0.5 if mixup and cutmix else float(not mixup),
            )
        return {**batch, "views": (image,), "target": target}

    return views


def _erased(key, image, probability: float, noise):
    """Boxes of noise, as erasing after normalisation would have left them."""
    channels = image.shape[-1]
    mean, std = (jnp.asarray(v, image.dtype) for v in statistics_of(noise, channels))
    mean, std = (v[None, None, None] for v in (mean, std))
    image = augment.random_erase(key, (image - mean) / std, probability=probability)
    return image * std + mean
