"""One view: crop, flip, colour, blur, solarise, normalise, in the field's order."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax.augment._blur import blur_rows, check_blur, default_kernel, draw_sigma
from sslax.augment._colour import COLOURS, invert_above
from sslax.augment._crops import check_crop, random_box
from sslax.augment._jitter import check_jitter, random_jitter_rows
from sslax.augment._layout import (
    check_choice,
    check_probability,
    from_rows,
    grey_rows,
    to_rows,
)
from sslax.augment._normalize import statistics_of, to_float
from sslax.augment._resample import METHODS, crop_rows, pair, whole_box


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
    blur: float = 0.0,
    sigma=(0.1, 2.0),
    kernel_size: int | None = None,
    padding: str = "reflect",
    solarize: float = 0.0,
    threshold: float = 0.5,
    normalize=None,
) -> Callable[..., Array]:
    """One random view of an image: a row of the field's table of augmentations.

    In this order: random resized crop, flip, colour jitter, grey, blur, solarise,
    normalise. Everything is drawn per image. On one-channel images saturation, hue and
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
      blur: probability of blur.
      sigma: range of the blur's standard deviation in pixels.
      kernel_size: taps of the blur; None is a tenth of the size made odd.
      padding: of the blur, `reflect` or `zero` (the TensorFlow pipelines).
      solarize: probability of solarisation.
      threshold: of solarisation.
      normalize: name of a dataset's statistics, or (mean, deviation), or None.

    Returns:
      `(key, image [b h w c], box [b 4] or None) -> view [b size size c]`; with
      `coordinates=True` also where it comes from, see `pixel_views`.

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
    check_choice(resize, METHODS, "resize")
    check_choice(colour, COLOURS, "colour")
    if jitter is not None:
        check_jitter(jitter, jitter_prob, colour)
    if blur:
        check_blur(kernel_size, padding, size)
    chances = {"flip": flip, "grayscale": grayscale, "blur": blur, "solarize": solarize}
    for name, value in chances.items():
        check_probability(value, name)

    def op(key, image, box=None, *, coordinates=False):
        batch, channels = image.shape[0], image.shape[-1]
        keys = jax.random.split(key, 6)
        rows = to_rows(to_float(image))
        box = whole_box(image) if box is None else box
        region = random_box(keys[0], box, scale=scale, ratio=ratio, rule=crop)
        turned = jax.random.bernoulli(keys[1], flip, (batch,)) if flip else None
        rows = crop_rows(
            rows, region, size=size, method=resize, antialias=antialias, flip=turned
        )
        if resize in ("bicubic", "lanczos"):
            rows = jnp.clip(rows, 0.0, 1.0)
        if jitter is not None:
            rows = random_jitter_rows(
                keys[2], rows, strength=jitter, probability=jitter_prob, colour=colour
            )
        if grayscale and channels == 3:
            chosen = _chosen(keys[3], grayscale, batch)
            rows = jnp.where(chosen, grey_rows(rows), rows)
        if blur:
            drawn = draw_sigma(keys[4], batch, sigma, blur)
            rows = blur_rows(rows, drawn, kernel_size=kernel_size, padding=padding)
        if solarize:
            chosen = _chosen(keys[5], solarize, batch)
            rows = invert_above(rows, jnp.where(chosen, threshold, jnp.inf))
        if normalize is not None:
            mean, std = (
                jnp.asarray(v, rows.dtype)[None, None, :, None]
                for v in statistics_of(normalize, channels)
            )
            rows = (rows - mean) / std
        made = from_rows(rows, rows.dtype)
        return (made, _coordinates(region, box, turned)) if coordinates else made

    return op


def _coordinates(region, box, turned) -> Array:
    """x0, y0, x1, y1 of crops `[b 4]` over the sides less one; a flip swaps x0, x1."""
    extent = jnp.maximum(box[:, 2:] - 1.0, 1.0)
    start = (region[:, :2] - box[:, :2]) / extent
    end = (region[:, :2] + region[:, 2:] - 1.0 - box[:, :2]) / extent
    x0, x1 = start[:, 1], end[:, 1]
    if turned is not None:
        x0, x1 = jnp.where(turned, x1, x0), jnp.where(turned, x0, x1)
    return jnp.stack([x0, start[:, 0], x1, end[:, 0]], axis=1)


def _chosen(key, probability: float, batch: int) -> Array:
    return jax.random.bernoulli(key, probability, (batch, 1, 1, 1))
