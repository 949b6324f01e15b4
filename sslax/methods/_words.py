"""What a discrete VAE says and paints: tokens of images, and pictures of tokens."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sslax import losses
from sslax.core import Net

__all__ = ["check_painter", "decoded", "means_of", "scores"]


def scores(
    tokenizer: Net, params: Any, stats: Any, image: Float[Array, "b h w c"]
) -> Float[Array, "b i j k"]:
    """Scores of the words at every place, in inference mode, without gradient.

    Args:
      tokenizer: reads `losses.map_pixels` of an image.
      params: its parameters.
      stats: its statistics.
      image: pixels in [0, 1].

    Returns:
      Logits; the token of a place is the argmax.
    """
    found, _ = tokenizer.apply(params, stats, losses.map_pixels(image))
    return jax.lax.stop_gradient(found)


def check_painter(painted: Any, image: Any) -> None:
    """Raises unless what a decoder gives can be compared with images.

    Args:
      painted: its output, or the shape of it.
      image: images, or their shape.

    Raises:
      ValueError: if the sides differ, or it has neither the channels of the image nor
        twice as many.
    """
    channels = image.shape[-1]
    if painted.shape[:-1] == image.shape[:-1] and painted.shape[-1] in (
        channels,
        2 * channels,
    ):
        return
    raise ValueError(
        f"the decoder paints {painted.shape[1:]} of images {image.shape[1:]}; the "
        f"sides must be those of the image, and the channels {2 * channels} (means, "
        f"then log scales) or {channels} (pixels)"
    )


def means_of(
    painted: Float[Array, "b h w d"], channels: int
) -> Float[Array, "b h w c"]:
    """The picture that a decoder means, in [0, 1].

    Args:
      painted: what it gives: logits of pixels and log scales, or pixels.
      channels: of the image.

    Returns:
      Pixels, no longer mapped.
    """
    pixels = painted[..., :channels]
    if painted.shape[-1] > channels:
        pixels = jax.nn.sigmoid(pixels)
    return losses.unmap_pixels(pixels)


def decoded(
    decoder: Net,
    params: Any,
    stats: Any,
    codes: Int[Array, "b i j"],
    *,
    words: int,
    channels: int,
) -> Float[Array, "b h w c"]:
    """The picture of tokens.

    Args:
      decoder: of weights of words, `[b i j words]`.
      params: its parameters.
      stats: its statistics.
      codes: the token of every place.
      words: size of the vocabulary.
      channels: of the image.

    Returns:
      Pixels in [0, 1].
    """
    chosen = jax.nn.one_hot(codes, words, dtype=jnp.float32)
    painted, _ = decoder.apply(params, stats, chosen)
    return means_of(painted, channels)
