"""Colour jitter: the four colour operations in an order drawn per image."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from sslax.augment._colour import COLOURS, contrast_base
from sslax.augment._hsv import adjust_hsv
from sslax.augment._layout import (
    Range,
    check_image,
    from_rows,
    grey_rows,
    to_rows,
)
from sslax.checks import check_choice, check_probability

OPERATIONS = ("brightness", "contrast", "saturation", "hue")


def active_operations(strength, channels: int) -> tuple[int, ...]:
    """The operations that do anything at this strength, on these channels."""
    usable = range(4) if channels == 3 else range(2)
    return tuple(i for i in usable if strength[i] > 0)


def draw_amounts(key: PRNGKeyArray, batch: int, strength, colour: str) -> Array:
    """Amounts `[b 4]` of brightness, contrast, saturation and hue."""
    b, c, s, h = strength
    low = jnp.array([max(0.0, 1.0 - b), max(0.0, 1.0 - c), max(0.0, 1.0 - s), -h])
    high = jnp.array([1.0 + b, 1.0 + c, 1.0 + s, h])
    if colour == "byol":
        low, high = low.at[0].set(-b), high.at[0].set(b)
    return low[None] + jax.random.uniform(key, (batch, 4)) * (high - low)[None]


def draw_order(key: PRNGKeyArray, batch: int, operations: tuple[int, ...]) -> Array:
    """A random order `[b k]` of these operations for each image."""
    ranks = jnp.argsort(jax.random.uniform(key, (batch, len(operations))), axis=1)
    return jnp.asarray(operations)[ranks]


def jitter_rows(
    rows: Array, amounts: Array, order: Array, operations: tuple[int, ...], colour: str
) -> Array:
    """Rows after the operations, in the order `[b k]`; -1 in the order does nothing.

    Three of the four are one blend `f x + (1 - f) base` whose base is black, the mean
    or grey; the fourth is a change in HSV. So a round is one blend, one HSV change and
    a select, whatever the order: no table of the 24 orders.
    """
    amounts = amounts.astype(rows.dtype)[:, :, None, None, None]
    hsv_saturation = colour != "torchvision"
    blended = [i for i in operations if i < (2 if hsv_saturation else 3)]
    hued = [i for i in operations if i not in blended]
    rows = _made_before(rows)
    for step in range(order.shape[1]):
        chosen = order[:, step, None, None, None]
        out = rows
        if blended:
            out = jnp.clip(_blend_round(rows, amounts, chosen, blended, colour), 0, 1)
        if hued:
            zero, one = jnp.zeros_like(amounts[:, 0]), jnp.ones_like(amounts[:, 0])
            shift = jnp.where(chosen == 3, amounts[:, 3], zero)
            factor = jnp.where(chosen == 2, amounts[:, 2], one)
            painted = adjust_hsv(rows, shift, factor if hsv_saturation else None)
            out = jnp.where(chosen >= min(hued), painted, out)
        rows = jnp.where(chosen < 0, rows, out)
    return rows


def _made_before(rows: Array) -> Array:
    """The same rows, which XLA on TPU makes before what follows.

    Crops make them as products `[b h c*w]`. XLA would take the means of contrast in
    that shape and hue in planes: every round in two layouts, with copies between them.
    """
    return jax.lax.platform_dependent(
        rows, tpu=jax.lax.optimization_barrier, default=lambda rows: rows
    )


def _blend_round(rows, amounts, chosen, blended, colour):
    factor, base = jnp.ones_like(amounts[:, 0]), jnp.zeros((), rows.dtype)
    offset = jnp.zeros_like(factor)
    if 0 in blended and colour == "byol":
        offset = jnp.where(chosen == 0, amounts[:, 0], offset)
    elif 0 in blended:
        factor = jnp.where(chosen == 0, amounts[:, 0], factor)
    if 1 in blended:
        factor = jnp.where(chosen == 1, amounts[:, 1], factor)
        base = jnp.where(chosen == 1, contrast_base(rows, colour), base)
    if 2 in blended:
        factor = jnp.where(chosen == 2, amounts[:, 2], factor)
        base = jnp.where(chosen == 2, grey_rows(rows), base)
    return factor * rows + (offset + (1.0 - factor) * base)


def jitter(
    image: Float[Array, "b h w c"],
    amounts: Array,
    order: Array,
    *,
    colour: str = "torchvision",
) -> Float[Array, "b h w c"]:
    """Applies brightness, contrast, saturation and hue in a given order.

    The result is clipped to [0, 1] after each operation. On one-channel images
    saturation and hue do nothing.

    Args:
      image: images in [0, 1] of one or three channels.
      amounts: `[b 4]`: brightness, contrast and saturation as their functions take
        them, hue in turns.
      order: int `[b k]`: the operations by number (0 brightness, 1 contrast, 2
        saturation, 3 hue) in the order of their application; -1 does nothing.
      colour: the family, `torchvision`, `simclr` or `byol`.

    Returns:
      Images in [0, 1].

    Raises:
      ValueError: for images, amounts or an order of another shape, or another family.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.array([[[[0.25], [0.75]]]])
      >>> amounts, order = jnp.array([[1.2, 0.5, 1.0, 0.0]]), jnp.array([[0, 1]])
      >>> [round(v, 3) for v in jitter(image, amounts, order)[0, 0, :, 0].tolist()]
      [0.45, 0.75]

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, appendix A.
    """
    check_image(image, channels=(1, 3))
    check_choice(COLOURS, colour=colour)
    batch, channels = image.shape[0], image.shape[-1]
    if amounts.shape != (batch, 4) or order.ndim != 2 or order.shape[0] != batch:
        raise ValueError(
            f"expected amounts ({batch}, 4) and order ({batch}, k), "
            f"got {tuple(amounts.shape)} and {tuple(order.shape)}"
        )
    operations = tuple(range(4)) if channels == 3 else (0, 1)
    order = jnp.where(order < len(operations), order, -1)
    out = jitter_rows(to_rows(image), amounts, order, operations, colour)
    return from_rows(out, image.dtype)


def draw_jitter(
    key, batch: int, operations: tuple[int, ...], *, strength, probability, colour: str
) -> tuple[Array, Array]:
    """Amounts `[b 4]` and order `[b k]` of a random jitter by these operations."""
    amount_key, order_key, apply_key = jax.random.split(key, 3)
    amounts = draw_amounts(amount_key, batch, strength, colour)
    order = draw_order(order_key, batch, operations)
    apply = jax.random.bernoulli(apply_key, probability, (batch, 1))
    return amounts, jnp.where(apply, order, -1)


def check_jitter(strength, probability: float, colour: str) -> None:
    """Raises if the four strengths, the probability or the family make no sense."""
    check_choice(COLOURS, colour=colour)
    check_probability(probability=probability)
    if len(strength) != 4 or not all(math.isfinite(s) and s >= 0 for s in strength):
        raise ValueError(
            "jitter strength must be four numbers >= 0 (brightness, contrast, "
            f"saturation, hue), got {strength!r}"
        )
    if strength[3] > 0.5:
        raise ValueError(f"hue strength is in turns, at most 0.5, got {strength[3]}")


def random_jitter(
    key: PRNGKeyArray,
    image: Float[Array, "b h w c"],
    *,
    strength: Range = (0.8, 0.8, 0.8, 0.2),
    probability: float = 0.8,
    colour: str = "torchvision",
) -> Float[Array, "b h w c"]:
    """Jitters colours: amounts, order and whether at all are drawn per image.

    Args:
      key: a random key.
      image: images in [0, 1] of one or three channels; on one channel only brightness
        and contrast act.
      strength: brightness b, contrast c, saturation s and hue h. Factors are uniform in
        [max(0, 1 - s), 1 + s], hue in [-h, h] turns, and the added brightness of
        `byol` in [-b, b]. An operation of strength 0 is left out.
      probability: of jittering an image.
      colour: the family, `torchvision`, `simclr` or `byol`.

    Returns:
      Images in [0, 1].

    Raises:
      ValueError: for wrong images, strengths, probability or family.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> image = jnp.full((2, 4, 4, 3), 0.5)
      >>> random_jitter(jax.random.key(0), image, probability=0.0).max().item()
      0.5

    References:
      Chen et al., A Simple Framework for Contrastive Learning of Visual
      Representations, 2020, arXiv:2002.05709, appendix A. Grill et al., Bootstrap Your
      Own Latent, 2020, arXiv:2006.07733, appendix B, table 6.
    """
    check_image(image, channels=(1, 3))
    check_jitter(strength, probability, colour)
    operations = active_operations(strength, image.shape[-1])
    if not operations:
        return image
    amounts, order = draw_jitter(
        key,
        image.shape[0],
        operations,
        strength=strength,
        probability=probability,
        colour=colour,
    )
    rows = jitter_rows(to_rows(image), amounts, order, operations, colour)
    return from_rows(rows, image.dtype)
