"""Mixing of images and labels, and erased boxes, for fine-tuning."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from sslax.augment._layout import Range, check_image, per_image
from sslax.checks import check_probability

_TRIES = 10  # boxes that are drawn until one fits; if none does, nothing is erased


def inside_boxes(box: Array, height: int, width: int) -> Array:
    """Bool `[b h w 1]`: the pixels of the boxes `[b 4]` (top, left, height, width)."""
    top, left, h, w = (v[:, None] for v in box.T)
    y, x = jnp.arange(height)[None], jnp.arange(width)[None]
    rows, columns = (y >= top) & (y < top + h), (x >= left) & (x < left + w)
    return (rows[:, :, None] & columns[:, None, :])[..., None]


def erase(
    image: Float[Array, "b h w c"], box: Array, value: Array
) -> Float[Array, "b h w c"]:
    """Replaces a box of each image.

    Args:
      image: images; usually normalised already.
      box: `[b 4]`: top, left, height and width; height 0 erases nothing.
      value: what the box shows: broadcasts with the image, such as noise `[b h w c]`.

    Returns:
      Images of the same shape.

    Raises:
      ValueError: for wrong images or boxes.

    Example:
      >>> import jax.numpy as jnp
      >>> box = jnp.array([[0, 1, 1, 1]])
      >>> erase(jnp.ones((1, 1, 3, 1)), box, jnp.zeros((1, 1, 1, 1))).ravel().tolist()
      [1.0, 0.0, 1.0]

    References:
      Zhong et al., Random Erasing Data Augmentation, 2017, arXiv:1708.04896.
    """
    check_image(image)
    if box.shape != (image.shape[0], 4):
        raise ValueError(
            f"expected boxes ({image.shape[0]}, 4), got {tuple(box.shape)}"
        )
    return jnp.where(inside_boxes(box, *image.shape[1:3]), value, image)


def random_erase(
    key: PRNGKeyArray,
    image: Float[Array, "b h w c"],
    *,
    probability: float = 0.25,
    area: Range = (0.02, 1 / 3),
    ratio: Range = (0.3, 10 / 3),
) -> Float[Array, "b h w c"]:
    """Fills one box of each image with normal noise, with a probability.

    Args:
      key: a random key.
      image: normalised images.
      probability: of erasing in an image.
      area: of the box as a fraction of the image.
      ratio: height over width of the box, log-uniform.

    Returns:
      Images of the same shape.

    Raises:
      ValueError: for wrong images or probability.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> image = jnp.ones((2, 16, 16, 3))
      >>> random_erase(jax.random.key(0), image, probability=0.0).min().item()
      1.0

    References:
      Zhong et al., Random Erasing Data Augmentation, 2017, arXiv:1708.04896, algorithm
      1, in the per-pixel form that fine-tuning recipes use.
    """
    check_image(image)
    check_probability(probability=probability)
    batch, height, width, _ = image.shape
    size_key, place_key, apply_key, noise_key = jax.random.split(key, 4)
    u = jax.random.uniform(size_key, (2, batch, _TRIES))
    target = (area[0] + u[0] * (area[1] - area[0])) * height * width
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = jnp.exp(low + u[1] * (high - low))
    h, w = jnp.round(jnp.sqrt(target * aspect)), jnp.round(jnp.sqrt(target / aspect))
    fits = (h < height) & (w < width)
    first = jnp.argmax(fits, axis=1)[:, None]
    h, w = (jnp.take_along_axis(v, first, axis=1)[:, 0] for v in (h, w))
    apply = jax.random.bernoulli(apply_key, probability, (batch,)) & fits.any(axis=1)
    place = jax.random.uniform(place_key, (2, batch))
    top = jnp.floor(place[0] * (height - h + 1))
    left = jnp.floor(place[1] * (width - w + 1))
    box = jnp.stack([top, left, jnp.where(apply, h, 0.0), w], axis=1)
    return erase(image, box, jax.random.normal(noise_key, image.shape, image.dtype))


def mixup(
    image: Float[Array, "b h w c"], target: Float[Array, "b k"], weight
) -> tuple[Float[Array, "b h w c"], Float[Array, "b k"]]:
    """Blends each image and its target with those of the batch in reverse order.

    Args:
      image: images.
      target: target distributions, such as one-hot labels.
      weight: of the own image in [0, 1], one number or one per image `[b]`.

    Returns:
      Mixed images and targets.

    Raises:
      ValueError: for images that are not float `[b h w c]`.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.array([0.0, 1.0]).reshape(2, 1, 1, 1)
      >>> mixed, target = mixup(image, jnp.eye(2), 0.75)
      >>> mixed.ravel().tolist(), target.tolist()
      ([0.25, 0.75], [[0.75, 0.25], [0.25, 0.75]])

    References:
      Zhang et al., mixup: Beyond Empirical Risk Minimization, 2017, arXiv:1710.09412,
      equation 1.
    """
    check_image(image)
    weight = per_image(weight, image)
    mixed = weight * image + (1.0 - weight) * image[::-1]
    share = weight[:, :, 0, 0].astype(target.dtype)
    return mixed, share * target + (1.0 - share) * target[::-1]


def cutmix(
    image: Float[Array, "b h w c"], target: Float[Array, "b k"], box: Array
) -> tuple[Float[Array, "b h w c"], Float[Array, "b k"]]:
    """Pastes a box of each image from the batch in reverse order, mixing the targets.

    Args:
      image: images.
      target: target distributions, such as one-hot labels.
      box: `[b 4]`: top, left, height and width of what is pasted, inside the image.

    Returns:
      Mixed images, and targets mixed by area.

    Raises:
      ValueError: for wrong images or boxes.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.array([0.0, 0.0, 1.0, 1.0]).reshape(2, 1, 2, 1)
      >>> box = jnp.array([[0, 0, 1, 1], [0, 0, 1, 1]])
      >>> mixed, target = cutmix(image, jnp.eye(2), box)
      >>> mixed[0].ravel().tolist(), target[0].tolist()
      ([1.0, 0.0], [0.5, 0.5])

    References:
      Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with
      Localizable Features, 2019, arXiv:1905.04899, equations 1 and 2.
    """
    mixed = erase(image, box, image[::-1])
    pasted = box[:, 2] * box[:, 3] / (image.shape[1] * image.shape[2])
    share = (1.0 - pasted.astype(target.dtype))[:, None]
    return mixed, share * target + (1.0 - share) * target[::-1]


def random_mix(
    key: PRNGKeyArray,
    image: Float[Array, "b h w c"],
    target: Float[Array, "b k"],
    *,
    mixup_alpha: float = 0.8,
    cutmix_alpha: float = 1.0,
    switch: float = 0.5,
) -> tuple[Float[Array, "b h w c"], Float[Array, "b k"]]:
    """Mixup or cutmix, with one draw for the whole batch.

    Args:
      key: a random key.
      image: images.
      target: target distributions, such as one-hot labels.
      mixup_alpha: of the Beta distribution of mixup's weight.
      cutmix_alpha: of the Beta distribution of cutmix's weight.
      switch: probability of cutmix.

    Returns:
      Mixed images and targets.

    Raises:
      ValueError: for wrong images or probability.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> image, target = jnp.ones((2, 8, 8, 3)), jnp.eye(2)
      >>> mixed, mixed_target = jax.jit(random_mix)(jax.random.key(0), image, target)
      >>> mixed.shape, mixed_target.sum(1).tolist()
      ((2, 8, 8, 3), [1.0, 1.0])

    References:
      Zhang et al., mixup: Beyond Empirical Risk Minimization, 2017, arXiv:1710.09412.
      Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with
      Localizable Features, 2019, arXiv:1905.04899.
    """
    check_image(image)
    check_probability(switch=switch)
    batch, height, width, _ = image.shape
    mix_key, cut_key, place_key, switch_key = jax.random.split(key, 4)
    weight = jax.random.beta(mix_key, mixup_alpha, mixup_alpha)
    blended = mixup(image, target, weight)
    side = jnp.sqrt(1.0 - jax.random.beta(cut_key, cutmix_alpha, cutmix_alpha))
    centre = jax.random.uniform(place_key, (2,)) * jnp.array([height, width])
    half = side * jnp.array([height, width]) / 2
    limit = jnp.array([height, width])
    start = jnp.clip(jnp.floor(centre - half), 0, limit)
    end = jnp.clip(jnp.floor(centre + half), 0, limit)
    box = jnp.broadcast_to(jnp.concatenate([start, end - start]), (batch, 4))
    pasted = cutmix(image, target, box)
    use_cut = jax.random.bernoulli(switch_key, switch)
    return jax.tree.map(lambda a, b: jnp.where(use_cut, b, a), blended, pasted)
