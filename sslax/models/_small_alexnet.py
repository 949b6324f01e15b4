"""AlexNet for images of 64 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.core import Net
from sslax.models._batch_norm import BatchNorm, Order
from sslax.models._layers import Conv, Dense, max_pool
from sslax.models._nets import Selected, compute_dtype, from_linen, select

__all__ = ["small_alexnet"]


class SmallAlexNet(nn.Module):
    """Five 3x3 convolutions, three pools, two hidden layers; batch norm after each."""

    widths: Sequence[int]
    hidden: int
    output: Any
    conv: Any
    dense: Any
    norm: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False, order: Order = None
    ) -> Selected:
        def activated(x, number):
            x = self.norm(name=f"bn{number}")(x, train=train, order=order)
            return nn.relu(x)

        outputs = {}
        for i, width in enumerate(self.widths, start=1):
            x = activated(self.conv(width, 3, name=f"conv{i}")(x), i)
            outputs[f"conv{i}"] = x
            if i in (1, 2, 5):
                x = max_pool(x, size=3, stride=2, padding=0)
        outputs["map"] = x
        x = x.reshape(x.shape[0], -1)
        for i in (6, 7):
            x = activated(self.dense(self.hidden, name=f"fc{i}")(x), i)
            outputs[f"fc{i}"] = x
        outputs["pooled"] = at_least_float32(x)
        return select(outputs, self.output)


def small_alexnet(
    *,
    widths: Sequence[int] = (96, 192, 384, 384, 192),
    hidden: int = 4096,
    output: str | Sequence[str] = "pooled",
    bn_groups: int = 1,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """AlexNet for images of 64 pixels, as alignment and uniformity train it.

    All weights start normal with deviation 0.02, and there are no biases.

    Args:
      widths: channels of the five convolutions.
      hidden: width of the two linear layers.
      output: "pooled" [b hidden] (the last linear layer), "map" (7 x 7 from 64 pixels),
        "conv1" to "conv5" (before the pool), "fc6", "fc7"; several names give a dict.
      bn_groups: batch norm over so many contiguous groups of the batch.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU).
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images `[b h w c]` of at least 15 pixels, of one size.

    Raises:
      ValueError: an unknown output or dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = small_alexnet()
      >>> image = jnp.zeros((2, 64, 64, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> jax.eval_shape(net.apply, params, stats, image)[0].shape
      (2, 4096)

    References:
      Tian et al., "Contrastive Multiview Coding", 2019, arXiv:1906.05849, appendix C.
      Wang and Isola, "Understanding Contrastive Representation Learning through
      Alignment and Uniformity on the Hypersphere", 2020, arXiv:2005.10242, section 5.
    """
    compute = compute_dtype(dtype)
    module = SmallAlexNet(
        widths=tuple(widths),
        hidden=hidden,
        output=output if isinstance(output, str) else tuple(output),
        conv=partial(Conv, kernel_init=0.02, impl=conv_impl, dtype=compute),
        dense=partial(Dense, use_bias=False, kernel_init=0.02, dtype=compute),
        norm=partial(BatchNorm, groups=bn_groups, dtype=compute),
    )
    return from_linen(module)
