"""The encoder of CURL: frames of a task into a state."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.core import Net
from sslax.models._layers import Conv, Dense, LayerNorm
from sslax.models._nets import compute_dtype, from_linen

__all__ = ["curl_encoder", "curl_head"]


class PixelHead(nn.Module):
    """A linear layer and layer norm on all that a map holds."""

    dim: int
    tanh: bool
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b ..."], *, train: bool = False
    ) -> Float[Array, "b d"]:
        x = x.reshape(x.shape[0], -1)
        init = nn.initializers.orthogonal()
        x = Dense(self.dim, kernel_init=init, dtype=self.dtype, name="linear")(x)
        x = at_least_float32(LayerNorm(epsilon=1e-5, dtype=self.dtype, name="norm")(x))
        return jnp.tanh(x) if self.tanh else x


class PixelEncoder(nn.Module):
    """3x3 convolutions without padding; the first has stride 2."""

    width: int
    layers: int
    head: Any
    conv: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b ..."]:
        for i in range(1, self.layers + 1):
            conv = self.conv(self.width, 3, 2 if i == 1 else 1, 0, name=f"conv{i}")
            x = nn.relu(conv(x))
        return x if self.head is None else self.head(name="head")(x)


def curl_encoder(
    *,
    width: int = 32,
    layers: int = 4,
    dim: int | None = 50,
    tanh: bool = False,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """CURL's encoder of stacked frames `[b h w 3 * frames]` in [0, 1].

    Args:
      width: channels of the convolutions, at least those of the frames.
      layers: 3x3 convolutions, of which the first has stride 2; no padding.
      dim: dimension of the state; None ends with the map of the convolutions, which
        actor and critic share, each with a `curl_head` of its own.
      tanh: ends with tanh.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU); same parameters.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of frames, 84 pixels in the paper, with states `[b dim]` or maps.

    Raises:
      ValueError: fewer than 1 layer, or an unknown dtype; at init, more channels of
        frames than `width`, where no orthogonal kernel exists.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = curl_encoder()
      >>> frames = jnp.zeros((2, 84, 84, 9))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), frames)
      >>> jax.eval_shape(net.apply, params, stats, frames)[0].shape
      (2, 50)

    References:
      Laskin et al., "CURL: Contrastive Unsupervised Representations for Reinforcement
      Learning", 2020, arXiv:2004.04136, section 4. Xiao et al., "Dynamical Isometry and
      a Mean Field Theory of CNNs", 2018, arXiv:1806.05393 (delta-orthogonal kernels).
    """
    if layers < 1:
        raise ValueError(f"layers is {layers}; expected at least 1")
    compute = compute_dtype(dtype)
    head = partial(PixelHead, dim=dim, tanh=tanh, dtype=compute) if dim else None
    init = nn.initializers.delta_orthogonal(scale=2**0.5)
    conv = partial(Conv, use_bias=True, kernel_init=init, impl=conv_impl, dtype=compute)
    return from_linen(PixelEncoder(width=width, layers=layers, head=head, conv=conv))


def curl_head(*, dim: int = 50, tanh: bool = False, dtype: str | None = None) -> Net:
    """The linear layer and layer norm that end CURL's encoder, by themselves.

    Args:
      dim: dimension of the state.
      tanh: ends with tanh.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of maps `[b h w c]` with states `[b dim]`, at least float32.

    Raises:
      ValueError: an unknown dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = curl_head(dim=5)
      >>> maps = jnp.ones((2, 3, 3, 4))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), maps)
      >>> jax.eval_shape(net.apply, params, stats, maps)[0].shape
      (2, 5)

    References:
      Laskin et al., "CURL: Contrastive Unsupervised Representations for Reinforcement
      Learning", 2020, arXiv:2004.04136.
    """
    return from_linen(PixelHead(dim=dim, tanh=tanh, dtype=compute_dtype(dtype)))
