"""RandAugment: a few random operations, each with a magnitude, per image."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from sslax.augment._colour import brightness, contrast, saturation, solarize
from sslax.augment._geometry import affine, affine_matrix
from sslax.augment._layout import check_image, per_image
from sslax.augment._tone import autocontrast, equalize, invert, posterize, sharpness
from sslax.checks import check_probability

OPERATIONS = (
    "autocontrast",
    "equalize",
    "invert",
    "rotate",
    "posterize",
    "solarize",
    "solarize_add",
    "color",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)


def _geometry(image, operation, level, sign):
    """The five geometric operations are one affine map, sampled once."""
    signed = level * sign
    height, width = image.shape[1:3]

    def when(name, value):
        return jnp.where(operation == OPERATIONS.index(name), value, 0.0)

    shear = [
        jnp.rad2deg(jnp.arctan(when(n, 0.3 * signed))) for n in ("shear_x", "shear_y")
    ]
    matrix = affine_matrix(
        degrees=when("rotate", 30.0 * signed),
        shear=tuple(shear),
        translate=(
            when("translate_x", 0.45 * width * signed),
            when("translate_y", 0.45 * height * signed),
        ),
    )
    return affine(image - 0.5, matrix) + 0.5


def apply_operations(
    image: Float[Array, "b h w c"], operation: Array, level: Array, sign: Array
) -> Float[Array, "b h w c"]:
    """Applies one operation of RandAugment to each image.

    Args:
      image: images in [0, 1] of one or three channels.
      operation: int `[b]`, which of the 15: autocontrast, equalize, invert, rotate,
        posterize, solarize, solarize_add, color, contrast, brightness, sharpness,
        shear_x, shear_y, translate_x, translate_y; -1 leaves the image alone.
      level: magnitude in [0, 1] `[b]`; more is a stronger change.
      sign: 1 or -1 `[b]`: the direction, where there are two.

    Returns:
      Images in [0, 1].

    Raises:
      ValueError: for images that are not float `[b h w c]` of one or three channels.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> image = jnp.full((1, 2, 2, 3), 0.25)
      >>> two, one = jnp.array([2]), jnp.ones(1)
      >>> jax.jit(apply_operations)(image, two, one, one).max().item()
      0.75

    Note:
      Ranges are those of timm's increasing set: 30 degrees, shear 0.3, translation 0.45
      of the side, factors 1 +- 0.9, posterize 4 to 0 bits, solarize from 256 down to 0,
      solarize_add up to 110. What is drawn in from outside the image is grey 0.5.

    References:
      Cubuk et al., RandAugment: Practical automated data augmentation with a reduced
      search space, 2019, arXiv:1909.13719, section 3.
    """
    check_image(image, channels=(1, 3))
    factor = 1.0 + 0.9 * level * sign
    solarize_add = jnp.where(
        image < 128.0 / 255.0,
        jnp.clip(image + per_image(110.0 / 255.0 * level, image), 0.0, 1.0),
        image,
    )
    results = {
        "autocontrast": autocontrast(image),
        "equalize": equalize(image),
        "invert": invert(image),
        "posterize": posterize(image, 4.0 - jnp.floor(4.0 * level)),
        "solarize": solarize(
            image, threshold=(256.0 - jnp.floor(256.0 * level)) / 255.0
        ),
        "solarize_add": solarize_add,
        "color": saturation(image, factor),
        "contrast": contrast(image, factor),
        "brightness": brightness(image, factor),
        "sharpness": sharpness(image, factor),
    }
    out = image
    for name, result in results.items():
        chosen = per_image(operation == OPERATIONS.index(name), image)
        out = jnp.where(chosen, result, out)
    geometric = sum(
        operation == OPERATIONS.index(n)
        for n in ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
    )
    moved = _geometry(image, operation, level, sign)
    return jnp.where(per_image(geometric > 0, image), moved, out).astype(image.dtype)


def random_augment(
    key: PRNGKeyArray,
    image: Float[Array, "b h w c"],
    *,
    operations: int = 2,
    magnitude: float = 9.0,
    deviation: float = 0.5,
    probability: float = 0.5,
) -> Float[Array, "b h w c"]:
    """RandAugment: several random operations in a row, each with a probability.

    Args:
      key: a random key.
      image: images in [0, 1] of one or three channels.
      operations: how many operations an image gets.
      magnitude: mean magnitude, of 10.
      deviation: standard deviation of the magnitude; it is clipped to [0, 10].
      probability: of applying each operation.

    Returns:
      Images in [0, 1].

    Raises:
      ValueError: for wrong images or probability.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> jax.jit(random_augment)(jax.random.key(0), jnp.ones((2, 8, 8, 3))).shape
      (2, 8, 8, 3)

    References:
      Cubuk et al., RandAugment: Practical automated data augmentation with a reduced
      search space, 2019, arXiv:1909.13719, section 3; as `rand-m9-mstd0.5-inc1`.
    """
    check_image(image, channels=(1, 3))
    check_probability(probability=probability)
    batch = (image.shape[0],)
    for i in range(operations):
        pick_key, apply_key, level_key, sign_key = jax.random.split(
            jax.random.fold_in(key, i), 4
        )
        operation = jax.random.randint(pick_key, batch, 0, len(OPERATIONS))
        apply = jax.random.bernoulli(apply_key, probability, batch)
        level = magnitude + deviation * jax.random.normal(level_key, batch)
        sign = jax.random.rademacher(sign_key, batch, jnp.float32)
        level = jnp.clip(level, 0.0, 10.0) / 10.0
        image = apply_operations(image, jnp.where(apply, operation, -1), level, sign)
    return image
