"""Exemplar-CNN: where an image has detail, and colour changes of a patch."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from sslax.arrays import at_least_float32
from sslax.augment._hsv import hue_chroma_value, paint
from sslax.augment._layout import (
    check_image,
    from_rows,
    per_image,
    to_rows,
)
from sslax.augment._normalize import statistics_of
from sslax.checks import check_choice

GRADIENTS = ("central", "sobel")
LUMA = (0.299, 0.587, 0.114)
# The principal components of ImageNet's pixels in rows, the largest first: light, then
# two differences of colours.
COMPONENTS = np.array(
    [
        [-0.5675, -0.5808, -0.5836],
        [0.7192, -0.0045, -0.6948],
        [0.4009, -0.8140, 0.4203],
    ]
)


def _central(x: Array, axis: int) -> Array:
    size = x.shape[axis]
    take = lambda a, b: jax.lax.slice_in_dim(x, a, b, axis=axis)  # noqa: E731
    inner = (take(2, size) - take(0, size - 2)) / 2.0
    first = take(1, 2) - take(0, 1)
    last = take(size - 1, size) - take(size - 2, size - 1)
    return jnp.concatenate([first, inner, last], axis=axis)


def _sobel(x: Array) -> tuple[Array, Array]:
    # 'symmetric' repeats the edge pixel, the border rule of image filters.
    p = jnp.pad(x, ((0, 0), (1, 1), (1, 1)), mode="symmetric")
    smooth_y = p[:, :-2] + 2.0 * p[:, 1:-1] + p[:, 2:]
    smooth_x = p[:, :, :-2] + 2.0 * p[:, :, 1:-1] + p[:, :, 2:]
    gx = (smooth_y[:, :, 2:] - smooth_y[:, :, :-2]) / 8.0
    gy = (smooth_x[:, 2:] - smooth_x[:, :-2]) / 8.0
    return gx, gy


def gradient_energy(
    image: Float[Array, "b h w c"], *, gradient: str = "central"
) -> Float[Array, "b h w"]:
    """The squared gradient of the grey image at every pixel.

    Args:
      image: images in [0, 1] of one or three channels.
      gradient: `central` differences (one-sided at the border), or `sobel` / 8 (the
        border pixel repeated).

    Returns:
      gx^2 + gy^2.

    Raises:
      ValueError: for wrong images or gradient.

    Example:
      >>> import jax.numpy as jnp
      >>> ramp = jnp.broadcast_to(jnp.arange(4.0)[:, None], (1, 4, 4, 1)) / 4
      >>> gradient_energy(ramp)[0, 0].tolist()
      [0.0625, 0.0625, 0.0625, 0.0625]

    References:
      Dosovitskiy et al., Discriminative Unsupervised Feature Learning with Exemplar
      Convolutional Neural Networks, 2014, arXiv:1406.6909, section 3.1.
    """
    check_image(image, channels=(1, 3))
    check_choice(GRADIENTS, gradient=gradient)
    x = at_least_float32(image)
    grey = sum(w * x[..., i] for i, w in enumerate(LUMA))
    grey = x[..., 0] if x.shape[-1] == 1 else grey
    if gradient == "central":
        gy, gx = _central(grey, 1), _central(grey, 2)
    else:
        gx, gy = _sobel(grey)
    return gx**2 + gy**2


def patch_scores(energy: Float[Array, "b h w"], *, size: int) -> Float[Array, "b p q"]:
    """The mean energy of the patch at every corner.

    Args:
      energy: energy of every pixel.
      size: side of the patch.

    Returns:
      Scores `[b h-size+1 w-size+1]`.

    Raises:
      ValueError: if the patch does not fit.

    Example:
      >>> import jax.numpy as jnp
      >>> patch_scores(jnp.ones((1, 4, 4)), size=3).tolist()
      [[[1.0, 1.0], [1.0, 1.0]]]

    References:
      Dosovitskiy et al., Discriminative Unsupervised Feature Learning with Exemplar
      Convolutional Neural Networks, 2014, arXiv:1406.6909, section 3.1.
    """
    if size > min(energy.shape[1:]):
        raise ValueError(f"a patch of {size} does not fit {tuple(energy.shape[1:])}")
    total = energy
    for window in ((1, size, 1), (1, 1, size)):
        total = jax.lax.reduce_window(
            total, 0.0, jax.lax.add, window, (1, 1, 1), "VALID"
        )
    return total / size**2


def sample_corner(
    key: PRNGKeyArray, scores: Float[Array, "b p q"]
) -> Int[Array, "b 2"]:
    """Draws a corner with probability proportional to its score, for each image.

    Args:
      key: a random key.
      scores: scores >= 0; where all are 0, every corner is as likely.

    Returns:
      int32 (top, left) `[b 2]`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> scores = jnp.zeros((1, 2, 3)).at[0, 1, 2].set(1.0)
      >>> sample_corner(jax.random.key(0), scores).tolist()
      [[1, 2]]

    References:
      Dosovitskiy et al., Discriminative Unsupervised Feature Learning with Exemplar
      Convolutional Neural Networks, 2014, arXiv:1406.6909, section 3.1.
    """
    flat = scores.reshape(scores.shape[0], -1)
    empty = jnp.max(flat, axis=1, keepdims=True) <= 0
    flat = jnp.where(empty, 1.0, flat)
    logits = jnp.where(flat > 0, jnp.log(jnp.where(flat > 0, flat, 1.0)), -jnp.inf)
    place = jax.random.categorical(key, logits, axis=1)
    columns = scores.shape[2]
    return jnp.stack([place // columns, place % columns], axis=1).astype(jnp.int32)


def scale_components(
    image: Float[Array, "b h w c"], factors: Float[Array, "b 3"]
) -> Float[Array, "b h w c"]:
    """Scales each image along the three principal colours of natural images.

    Args:
      image: images in [0, 1] of three channels.
      factors: `[b 3]`, one per component, from the largest on; 1 is the identity.

    Returns:
      Images in [0, 1].

    Raises:
      ValueError: for wrong images or factors.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> image = jax.random.uniform(jax.random.key(0), (1, 4, 4, 3))
      >>> same = scale_components(image, jnp.ones((1, 3)))
      >>> abs(same - image).max().item() < 1e-5
      True

    Note:
      Mean and components are ImageNet's, of which STL-10 is a part; the released code
      has those of its own patches in a file.

    References:
      Dosovitskiy et al., Discriminative Unsupervised Feature Learning with Exemplar
      Convolutional Neural Networks, 2014, arXiv:1406.6909, section 3.1.
    """
    check_image(image, channels=(3,))
    if factors.shape != (image.shape[0], 3):
        raise ValueError(
            f"expected factors ({image.shape[0]}, 3), got {tuple(factors.shape)}"
        )
    x = at_least_float32(image)
    mean, _ = statistics_of("imagenet", 3)
    mean = jnp.asarray(mean, x.dtype)[None, None, None]
    onto, back = (
        jnp.asarray(m, x.dtype) for m in (COMPONENTS.T, np.linalg.inv(COMPONENTS.T))
    )
    change = jnp.einsum("ck,bk,kd->bcd", onto, factors, back, precision="highest")
    out = mean + jnp.einsum("bhwc,bcd->bhwd", x - mean, change, precision="highest")
    return jnp.clip(out, 0.0, 1.0).astype(image.dtype)


def bend_hsv(
    image: Float[Array, "b h w c"],
    *,
    saturation=(1.0, 1.0, 0.0),
    value=(1.0, 1.0, 0.0),
    shift=0.0,
) -> Float[Array, "b h w c"]:
    """Changes saturation and value by a power, a factor and an offset; shifts the hue.

    Args:
      image: images in [0, 1] of three channels.
      saturation: its exponent, what it is then multiplied with, and what is then added,
        each one number or one per image.
      value: the same of the value.
      shift: of the hue, in turns.

    Returns:
      Images in [0, 1].

    Raises:
      ValueError: if the images are not float `[b h w 3]`.

    Example:
      >>> import jax.numpy as jnp
      >>> image = jnp.array([[[[0.5, 0.25, 0.25]]]])
      >>> bend_hsv(image, value=(2.0, 1.0, 0.0))[0, 0, 0].tolist()
      [0.25, 0.125, 0.125]

    References:
      Dosovitskiy et al., Discriminative Unsupervised Feature Learning with Exemplar
      Convolutional Neural Networks, 2014, arXiv:1406.6909, section 3.1.
    """
    check_image(image, channels=(3,))
    rows = to_rows(image)
    hue, chroma, light = hue_chroma_value(rows)

    def bend(x, change):
        power, factor, offset = (per_image(v, rows) for v in change)
        safe = jnp.where(x > 0, x, 1.0)
        return jnp.clip(jnp.where(x > 0, safe**power, 0.0) * factor + offset, 0.0, 1.0)

    depth = bend(chroma / jnp.where(light > 0, light, 1.0), saturation)
    light = bend(light, value)
    return from_rows(
        paint(hue + per_image(shift, rows), depth * light, light), image.dtype
    )


def random_exemplar_colours(
    key: PRNGKeyArray, image: Float[Array, "b h w c"]
) -> Float[Array, "b h w c"]:
    """The colour part of Exemplar-CNN's transformations, drawn per image.

    Principal colours times 2^(c N(0, 1)) with c = (1, 1, 0.5). Then, once the image is
    stretched to [0, 1], saturation and value, each by its own draw, to the power
    2^U(-2, 2), times 2^U(-0.5, 0.5), plus U(-0.1, 0.1); hue plus U(-0.1, 0.1).

    Args:
      key: a random key.
      image: images in [0, 1] of three channels.

    Returns:
      Images in [0, 1].

    Raises:
      ValueError: if the images are not float `[b h w 3]`.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> make = jax.jit(random_exemplar_colours)
      >>> make(jax.random.key(0), jnp.ones((2, 8, 8, 3))).shape
      (2, 8, 8, 3)

    References:
      Dosovitskiy et al., Discriminative Unsupervised Feature Learning with Exemplar
      Convolutional Neural Networks, 2014, arXiv:1406.6909, section 3.1.
    """
    check_image(image, channels=(3,))
    batch = image.shape[0]
    component_key, bend_key = jax.random.split(key)
    width = jnp.array([1.0, 1.0, 0.5])[None]
    factors = 2.0 ** (width * jax.random.normal(component_key, (batch, 3)))
    image = scale_components(image, factors)
    image = image - jnp.min(image, axis=(1, 2, 3), keepdims=True)
    most = jnp.max(image, axis=(1, 2, 3), keepdims=True)
    u = jax.random.uniform(bend_key, (7, batch), minval=-1.0, maxval=1.0)
    return bend_hsv(
        image / jnp.maximum(most, 1e-3),
        saturation=(2.0 ** (2.0 * u[0]), 2.0 ** (0.5 * u[1]), 0.1 * u[2]),
        value=(2.0 ** (2.0 * u[3]), 2.0 ** (0.5 * u[4]), 0.1 * u[5]),
        shift=0.1 * u[6],
    )
