"""One view: crop, flip, colour, blur, solarise, in the field's order."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax.augment import random_box, whole_box
from sslax.augment.parts import (
    COLOURS,
    METHODS,
    active_operations,
    blur_rows,
    check_blur,
    check_crop,
    check_jitter,
    crop_columns,
    default_kernel,
    draw_jitter,
    draw_sigma,
    from_columns,
    grey_rows,
    invert_above,
    jitter_rows,
    pair,
    per_image,
)
from sslax.checks import check_choice, check_probability
from sslax.core import Drawn
from sslax.kinds import View
from sslax.platforms import computed_once


def view(
    *,
    size,
    scale=(0.08, 1.0),
    ratio=(3 / 4, 4 / 3),
    crop: str = "torchvision",
    resize: str = "bicubic",
    antialias: bool = True,
    flip: float = 0.5,
    jitter=None,
    jitter_prob: float = 0.8,
    colour: str = "torchvision",
    grayscale: float = 0.0,
    grey_first: bool = False,
    blur: float = 0.0,
    sigma=(0.1, 2.0),
    kernel_size: int | None = None,
    padding: str = "reflect",
    solarize: float = 0.0,
    threshold: float = 0.5,
) -> View:
    """One random view of an image: a row of the field's table of augmentations.

    In this order: random resized crop, flip, colour jitter, grey, blur, solarise.
    Everything is drawn per image. On one-channel images saturation, hue and
    grey do nothing.

    Args:
      size: side of the view: one integer or (height, width).
      scale: area of the crop as a fraction of the valid area.
      ratio: width over height of the crop.
      crop: rule of the crop, `torchvision`, `tf` or `byol`.
      resize: `bicubic`, `bilinear`, `lanczos` or `box`.
      antialias: widen the kernel when shrinking; the TensorFlow pipelines do not.
      flip: probability of a left-to-right flip.
      jitter: strengths (brightness, contrast, saturation, hue), or None.
      jitter_prob: probability of the jitter.
      colour: family of the jitter, `torchvision`, `simclr` or `byol`.
      grayscale: probability of grey.
      grey_first: grey before the jitter, as InstDisc's code has it.
      blur: probability of blur.
      sigma: range of the blur's standard deviation in pixels.
      kernel_size: taps of the blur; None is a tenth of the size made odd.
      padding: of the blur, `reflect` or `zero` (the TensorFlow pipelines).
      solarize: probability of solarisation.
      threshold: of solarisation.

    Returns:
      `(key, image [b h w c], box [b 4] or None) -> view [b size size c]`, in two parts:
      what is drawn says also where a view comes from, see `pixel_views`.

    Raises:
      ValueError: for a range, probability or name that makes no sense.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> simclr = view(size=32, jitter=(0.4, 0.4, 0.4, 0.1), grayscale=0.2)
      >>> simclr(jax.random.key(0), jnp.ones((2, 40, 40, 3))).shape
      (2, 32, 32, 3)

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, appendix A. Grill et al., Bootstrap Your
      Own Latent, 2020, arXiv:2006.07733, appendix B.
    """
    size = pair(size)
    kernel_size = default_kernel(size[0]) if kernel_size is None else kernel_size
    check_crop(scale, ratio, crop)
    check_choice(METHODS, resize=resize)
    check_choice(COLOURS, colour=colour)
    if jitter is not None:
        check_jitter(jitter, jitter_prob, colour)
    if blur:
        check_blur(kernel_size, padding, size)
    check_probability(flip=flip, grayscale=grayscale, blur=blur, solarize=solarize)

    def draw(key, image, box=None) -> dict[str, Array]:
        batch, channels = image.shape[0], image.shape[-1]
        box = whole_box(image) if box is None else box
        keys = jax.random.split(key, 6)
        drawn = {"box": random_box(keys[0], box, scale=scale, ratio=ratio, rule=crop)}
        if flip:
            drawn["flip"] = jax.random.bernoulli(keys[1], flip, (batch,))
        operations = active_operations(jitter or (0,) * 4, channels)
        if operations and jitter_prob:
            drawn["amounts"], drawn["order"] = draw_jitter(
                keys[2],
                batch,
                operations,
                strength=jitter,
                probability=jitter_prob,
                colour=colour,
            )
        if grayscale and channels == 3:
            drawn["grey"] = jax.random.bernoulli(keys[3], grayscale, (batch,))
        if blur:
            drawn["sigma"] = draw_sigma(keys[4], batch, sigma, blur)
        if solarize:
            chosen = jax.random.bernoulli(keys[5], solarize, (batch,))
            drawn["threshold"] = jnp.where(chosen, threshold, jnp.inf)
        drawn["coordinates"] = _coordinates(drawn["box"], box, drawn.get("flip"))
        return drawn

    make = functools.partial(
        _develop,
        size=size,
        resize=resize,
        antialias=antialias,
        jitter=jitter,
        colour=colour,
        grey_first=grey_first,
        kernel_size=kernel_size,
        padding=padding,
    )
    return Drawn(draw, make)


def _develop(
    drawn: dict[str, Array],
    image,
    box=None,
    *,
    size,
    resize,
    antialias,
    jitter,
    colour,
    grey_first,
    kernel_size,
    padding,
) -> Array:
    """The views, once it is drawn what happens to each image."""
    del box  # the one that is drawn lies within
    x = crop_columns(
        image,
        drawn["box"],
        size=size,
        method=resize,
        antialias=antialias,
        flip=drawn.get("flip"),
    )
    if resize in ("bicubic", "lanczos"):
        x = jnp.clip(x, 0.0, 1.0)
    if grey_first:
        x = _greyed(x, drawn)
    if "order" in drawn:
        operations = active_operations(jitter, image.shape[-1])
        x = jitter_rows(x, drawn["amounts"], drawn["order"], operations, colour)
    if not grey_first:
        x = _greyed(x, drawn)
    if "sigma" in drawn:
        x = blur_rows(x, drawn["sigma"], kernel_size=kernel_size, padding=padding)
    if "threshold" in drawn:
        x = invert_above(x, per_image(drawn["threshold"], x))
    return from_columns(x, x.dtype)


def _greyed(x: Array, drawn: dict[str, Array]) -> Array:
    if "grey" not in drawn:
        return x
    x = computed_once(x)  # else with its jitter in each of the sums that are grey
    return jnp.where(per_image(drawn["grey"], x), grey_rows(x), x)


def _coordinates(region, box, turned) -> Array:
    """x0, y0, x1, y1 of crops `[b 4]` over the sides less one; a flip swaps x0, x1."""
    extent = jnp.maximum(box[:, 2:] - 1.0, 1.0)
    start = (region[:, :2] - box[:, :2]) / extent
    end = (region[:, :2] + region[:, 2:] - 1.0 - box[:, :2]) / extent
    x0, x1 = start[:, 1], end[:, 1]
    if turned is not None:
        x0, x1 = jnp.where(turned, x1, x0), jnp.where(turned, x0, x1)
    return jnp.stack([x0, start[:, 0], x1, end[:, 0]], axis=1)
