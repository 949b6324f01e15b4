"""Views in other colour spaces: lightness and colour apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import jax.numpy as jnp

from sslax import augment
from sslax.checks import check_choice
from sslax.kinds import Builder, View
from sslax.views._several import from_one

# Mid-range and half range of each channel over the sRGB gamut.
SPACES = {
    "lab": ((50.0, 6.025, -6.6895), (50.0, 92.208, 101.168)),
    "ycbcr": ((116.151, 121.080, 132.342), (109.500, 111.855, 111.964)),
}


def lab(*, view: View, stride: int = 4, colourless: float = 5.0) -> Builder:
    """Lightness of one view of every image, and its colour as the answer.

    Args:
      view: makes the view, as `view` gives it: 176 pixels, without jitter.
      stride: every how many pixels the colour is asked for: 4, or 8 for AlexNet.
      colourless: an image none of whose |a| or |b| exceeds this weighs nothing.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`, one array `[b h w 1]`: lightness
      less 50, in [-50, 50]; `batch["ab"]` `[b h/stride w/stride 2]`; and
      `batch["weight"]` `[b]`, 0 for images without colour, else 1.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> batch = {"image": jnp.ones((2, 20, 20, 3))}
      >>> batch = jax.jit(lab(view=view(size=16)))(jax.random.key(0), batch)
      >>> batch["views"][0].shape, batch["ab"].shape, batch["weight"].tolist()
      ((2, 16, 16, 1), (2, 4, 4, 2), [0.0, 0.0])

    References:
      Zhang et al., Colorful Image Colorization, 2016, arXiv:1603.08511, section 2.
    """

    def asked(image):
        made = augment.rgb_to_lab(image)
        ab = made[:, ::stride, ::stride, 1:]
        weight = jnp.max(jnp.abs(ab), axis=(1, 2, 3)) > colourless
        return {
            "views": (made[..., :1] - 50.0,),
            "ab": ab,
            "weight": weight.astype(made.dtype),
        }

    return from_one(view, asked)


def channel_views(
    *, view: View, space: str = "lab", channels: Sequence[int] = (1, 2)
) -> Builder:
    """One view of every image taken apart: its lightness, and its two colours.

    Args:
      view: makes the view, as `view` gives it: crop and flip only.
      space: `lab` or `ycbcr`.
      channels: how many of the three each view has; (1, 1, 1) takes colours apart too.

    Returns:
      `(key, batch) -> batch` with `batch["views"]`: `[b h w 1]` and `[b h w 2]` of the
      same pixels, each channel scaled to about [-1, 1].

    Raises:
      ValueError: for an unknown space, or channels that are not three in all.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from sslax.views import view
      >>> batch = {"image": jnp.ones((2, 20, 20, 3))}
      >>> batch = jax.jit(channel_views(view=view(size=16)))(jax.random.key(0), batch)
      >>> [v.shape for v in batch["views"]]
      [(2, 16, 16, 1), (2, 16, 16, 2)]

    References:
      Tian et al., Contrastive Multiview Coding, 2019, arXiv:1906.05849, section 4.1.
    """
    check_choice(SPACES, space=space)
    if sum(channels) != 3 or min(channels) < 1:
        raise ValueError(f"channels must be three in all; got {tuple(channels)}")
    ends = tuple(itertools.accumulate(channels))

    def apart(image):
        convert = augment.rgb_to_lab if space == "lab" else augment.rgb_to_ycbcr
        made = convert(image)
        middle, half = jnp.asarray(SPACES[space], made.dtype)[:, None, None, None]
        made = (made - middle) / half
        views = tuple(
            made[..., end - count : end]
            for end, count in zip(ends, channels, strict=True)
        )
        return {"views": views}

    return from_one(view, apart)
