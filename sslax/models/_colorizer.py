"""The network that colours grey images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.core import Net
from sslax.models._batch_norm import BatchNorm
from sslax.models._convolutions import ConvTranspose
from sslax.models._nets import Selected, compute_dtype, from_linen, select
from sslax.models._plain_layers import PlainConv

__all__ = ["colorizer"]

# Channels over 64, number of convolutions, stride of the last, dilation.
_BLOCKS = (
    (1, 2, 2, 1),
    (2, 2, 2, 1),
    (4, 3, 2, 1),
    (8, 3, 1, 1),
    (8, 3, 1, 2),
    (8, 3, 1, 2),
    (8, 3, 1, 1),
)


class Colorizer(nn.Module):
    """Blocks of 3x3 convolutions that end in a norm, one step up, logits."""

    width: int
    bins: int
    output: Any
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool = False) -> Selected:
        outputs = {}
        for i, (factor, count, stride, dilation) in enumerate(_BLOCKS, start=1):
            for j in range(1, count + 1):
                x = PlainConv(
                    self.width * factor,
                    3,
                    stride if j == count else 1,
                    padding=dilation,
                    dilation=dilation,
                    dtype=self.dtype,
                    name=f"conv{i}_{j}",
                )(x)
                x = nn.relu(x)
            norm = BatchNorm(
                use_scale=False,
                use_bias=False,
                dtype=self.dtype,
                name=f"bn{i}",
            )
            outputs[f"conv{i}"] = x = norm(x, train=train)
        width = 4 * self.width
        up = ConvTranspose(width, 4, 2, 1, dtype=self.dtype, name="conv8_1")
        x = nn.relu(up(x))
        for j in (2, 3):
            x = nn.relu(PlainConv(width, 3, dtype=self.dtype, name=f"conv8_{j}")(x))
        outputs["conv8"] = x
        logits = PlainConv(self.bins, 1, dtype=self.dtype, name="logits")(x)
        outputs["logits"] = at_least_float32(logits)
        outputs["map"] = outputs["conv7"]
        outputs["pooled"] = at_least_float32(outputs["conv7"]).mean(axis=(1, 2))
        return select(outputs, self.output)


def colorizer(
    *,
    bins: int = 313,
    width: int = 64,
    output: str | Sequence[str] = "logits",
    dtype: str | None = None,
) -> Net:
    """The ten-layer network of image colorization: lightness in, logits of colours out.

    No pools: strides halve the map three times and a transposed convolution doubles it
    once. Batch norm ends the first seven blocks, without scale and offset.

    Args:
      bins: the number of colours.
      width: channels of the first block; the widest have 8 times as many.
      output: "logits" [b h/4 w/4 bins], "conv1" to "conv8" (with their norm), "map"
        (that of "conv7") and "pooled" (its mean); several names give a dict.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of lightness `[b h w 1]`, centred: L - 50, whose sides 8 divides.

    Raises:
      ValueError: an unknown output or dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = colorizer()
      >>> lightness = jnp.zeros((1, 224, 224, 1))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), lightness)
      >>> jax.eval_shape(net.apply, params, stats, lightness)[0].shape
      (1, 56, 56, 313)

    References:
      Zhang et al., "Colorful Image Colorization", 2016, arXiv:1603.08511, section 2 and
      figure 2.

    Note:
      The paper starts from k-means of data (Krahenbuhl et al., 2016, arXiv:1511.06856);
      here kernels start normal, by the fan out.
    """
    module = Colorizer(
        width=width,
        bins=bins,
        output=output,
        dtype=compute_dtype(dtype),
    )
    return from_linen(module)
