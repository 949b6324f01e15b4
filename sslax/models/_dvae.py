"""A small discrete variational autoencoder."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.core import Net
from sslax.models._convolutions import ConvTranspose
from sslax.models._layers import Conv, Dense
from sslax.models._nets import compute_dtype, from_linen

__all__ = ["dvae_decoder", "dvae_encoder"]


class ResidualBlock(nn.Module):
    """The identity plus 3x3, ReLU, 3x3, ReLU, 1x1."""

    conv: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        y = nn.relu(self.conv(x.shape[-1], 3, name="conv1")(x))
        y = nn.relu(self.conv(x.shape[-1], 3, name="conv2")(y))
        return x + self.conv(x.shape[-1], 1, name="conv3")(y)


class Encoder(nn.Module):
    """Strided convolutions and residual blocks, then a 1x1 convolution."""

    width: int
    depth: int
    words: int
    conv: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b i j d"]:
        del train
        step = 2**self.depth
        if x.shape[1] % step or x.shape[2] % step:
            raise ValueError(
                f"{self.depth} layers of stride 2 need sides that {step} divides; the "
                f"image has {x.shape[1]} x {x.shape[2]} pixels"
            )
        for i in range(1, self.depth + 1):
            x = nn.relu(self.conv(self.width, 4, 2, 1, name=f"conv{i}")(x))
            x = ResidualBlock(self.conv, name=f"block{i}")(x)
        return at_least_float32(self.conv(self.words, 1, name="output")(x))


class Decoder(nn.Module):
    """The codebook, transposed convolutions and residual blocks, a 1x1 convolution."""

    width: int
    depth: int
    code_dim: int
    channels: int
    conv: Any
    dtype: Any

    @nn.compact
    def __call__(
        self, words: Float[Array, "b h w k"], *, train: bool = False
    ) -> Float[Array, "b i j d"]:
        del train
        up = partial(ConvTranspose, size=4, stride=2, padding=1, dtype=self.dtype)
        x = Dense(
            self.code_dim,
            use_bias=False,
            kernel_init=nn.initializers.normal(1.0),
            dtype=self.dtype,
            name="codebook",
        )(words)
        for i in range(1, self.depth + 1):
            x = nn.relu(up(self.width, name=f"up{i}")(x))
            x = ResidualBlock(self.conv, name=f"block{i}")(x)
        return at_least_float32(self.conv(self.channels, 1, name="output")(x))


def _conv(conv_impl, dtype):
    return partial(
        Conv, use_bias=True, kernel_init="uniform", impl=conv_impl, dtype=dtype
    )


def dvae_encoder(
    *,
    width: int = 64,
    depth: int = 3,
    words: int = 512,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """The encoder of a small discrete VAE: from images to scores of visual words.

    `depth` times: a 4x4 convolution of stride 2, ReLU, a residual block; at the end a
    1x1 convolution. For a tokenizer that one trains oneself, on small images.

    Args:
      width: channels.
      depth: the number of halvings.
      words: size of the vocabulary.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU).
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images `[b h w c]` with logits `[b h/2^depth w/2^depth words]`, at least
      float32.

    Raises:
      ValueError: when it is called, sides that 2^depth does not divide.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = dvae_encoder(width=8, depth=2, words=16)
      >>> image = jnp.zeros((1, 8, 12, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> jax.eval_shape(net.apply, params, stats, image)[0].shape
      (1, 2, 3, 16)

    References:
      Ramesh et al., "Zero-Shot Text-to-Image Generation", 2021, arXiv:2102.12092,
      section 2.1. Bao et al., "BEiT: BERT Pre-Training of Image Transformers", 2022,
      arXiv:2106.08254 (this form is an option of its code).
    """
    conv = _conv(conv_impl, compute_dtype(dtype))
    return from_linen(Encoder(width=width, depth=depth, words=words, conv=conv))


def dvae_decoder(
    *,
    width: int = 64,
    depth: int = 3,
    code_dim: int = 512,
    channels: int = 3,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """The decoder of a small discrete VAE: from weights of visual words to pixels.

    The codebook's mean under the weights, then `depth` times: a 4x4 transposed
    convolution of stride 2, ReLU, a residual block; at the end a 1x1 convolution.

    Args:
      width: channels.
      depth: the number of doublings.
      code_dim: length of a code of the codebook.
      channels: channels of the image.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU).
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of weights of words `[b h w words]` (one-hot for tokens, or
      `gumbel_softmax` in training) with images `[b 2^depth*h 2^depth*w channels]`, at
      least float32. The codebook is `params["codebook"]["kernel"]`, `[words code_dim]`.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = dvae_decoder(width=8, depth=2, code_dim=4)
      >>> words = jnp.zeros((1, 2, 3, 16))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), words)
      >>> jax.eval_shape(net.apply, params, stats, words)[0].shape
      (1, 8, 12, 3)

    References:
      Ramesh et al., "Zero-Shot Text-to-Image Generation", 2021, arXiv:2102.12092,
      section 2.1. Bao et al., "BEiT: BERT Pre-Training of Image Transformers", 2022,
      arXiv:2106.08254 (this form is an option of its code).
    """
    compute = compute_dtype(dtype)
    module = Decoder(
        width=width,
        depth=depth,
        code_dim=code_dim,
        channels=channels,
        conv=_conv(conv_impl, compute),
        dtype=compute,
    )
    return from_linen(module)
