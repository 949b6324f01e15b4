"""From bytes to floats, and to the mean and deviation of a dataset."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.augment._layout import check_image, compute_dtype

STATISTICS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "swav": ((0.485, 0.456, 0.406), (0.228, 0.224, 0.225)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar10_rotnet": (
        (125.3 / 255, 123.0 / 255, 113.9 / 255),
        (63.0 / 255, 62.1 / 255, 66.7 / 255),
    ),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "stl10": ((0.4409, 0.4279, 0.3868), (0.2683, 0.2610, 0.2687)),
    "stl10_mean": ((0.4409, 0.4279, 0.3868), (1.0,)),
    "stl10_grey": ((0.4120,), (0.2570,)),
    "clip": (
        (0.48145466, 0.4578275, 0.40821073),
        (0.26862954, 0.26130258, 0.27577711),
    ),
    "half": ((0.5,), (0.5,)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
}


def to_float(image: Array) -> Float[Array, ...]:
    """Images as floats in [0, 1]: bytes are divided by 255, floats stay as they are.

    Args:
      image: uint8 in 0..255, uint16 in 0..65535, or float in [0, 1], any shape.

    Returns:
      The image in float32, or in its own float dtype.

    Raises:
      ValueError: for any other dtype.

    Example:
      >>> import jax.numpy as jnp
      >>> print(to_float(jnp.array([0, 51, 255], jnp.uint8)).round(3))
      [0.  0.2 1. ]
    """
    image = jnp.asarray(image)
    if image.dtype in (jnp.uint8, jnp.uint16):
        return image.astype(jnp.float32) / jnp.iinfo(image.dtype).max
    if jnp.issubdtype(image.dtype, jnp.floating):
        return image
    raise ValueError(f"expected uint8, uint16 or float images, got {image.dtype}")


def statistics_of(name, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation by name, or as given (a pair), for this many channels."""
    if isinstance(name, str):
        if name not in STATISTICS:
            raise ValueError(
                f"no statistics called {name!r}; there are {', '.join(STATISTICS)}; "
                "or give (mean, deviation)"
            )
        mean, std = STATISTICS[name]
    else:
        mean, std = name
    mean, std = (tuple(v) if isinstance(v, tuple | list) else (v,) for v in (mean, std))
    for values in (mean, std):
        if len(values) not in (1, channels):
            raise ValueError(
                f"statistics {name!r} have {len(values)} channels, "
                f"the images have {channels}"
            )
    return mean, std


def normalize(
    image: Float[Array, "b h w c"], *, statistics="imagenet"
) -> Float[Array, "b h w c"]:
    """Subtracts the mean of a dataset and divides by its deviation, per channel.

    Args:
      image: images in [0, 1].
      statistics: `imagenet`, `swav` (deviation 0.228 as released), `cifar10`,
        `cifar10_rotnet`, `cifar100`, `stl10`, `stl10_mean` (deviation 1), `stl10_grey`,
        `clip`, `half` (0.5, 0.5), `fashion_mnist`, or a pair (mean, deviation) of
        numbers or tuples.

    Returns:
      Normalised images.

    Raises:
      ValueError: for wrong images, an unknown name or another number of channels.

    Example:
      >>> import jax.numpy as jnp
      >>> normalize(jnp.ones((1, 1, 1, 3)), statistics="half")[0, 0, 0].tolist()
      [1.0, 1.0, 1.0]
    """
    check_image(image)
    mean, std = statistics_of(statistics, image.shape[-1])
    dtype = compute_dtype(image.dtype)
    mean, std = (jnp.asarray(v, dtype)[None, None, None] for v in (mean, std))
    return ((image.astype(dtype) - mean) / std).astype(image.dtype)
