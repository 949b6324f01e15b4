"""CLIP's residual network: strides by means, and attention in place of the last."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.core import Net
from sslax.models._attention import attention_map
from sslax.models._batch_norm import BatchNorm, Order
from sslax.models._layers import Conv, Dense
from sslax.models._mask_decoder import check_heads
from sslax.models._nets import Selected, compute_dtype, from_linen, select
from sslax.models._parameter import parameter
from sslax.models._positions import positions_on
from sslax.models._resnet import ResNet

__all__ = ["clip_resnet"]


def clip_resnet(
    *,
    dim: int = 1024,
    stages: Sequence[int] = (3, 4, 6, 3),
    width: int = 64,
    heads: int | None = None,
    output: str | Sequence[str] = "pooled",
    zero_init: bool = True,
    bn_groups: int = 1,
    bn_momentum: float | int = 0.9,
    bn_eps: float | int = 1e-5,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """CLIP's residual network, which ends in the space shared with texts.

    It differs from `resnet50` in a stem of three convolutions and a mean, in strides
    that are means of 2x2 behind the convolution, in the shortcut as in the branch, and
    in its end: the mean of the last map asks all places and itself, with learned
    positions, by one layer of attention.

    Args:
      dim: dimension of the shared space.
      stages: bottlenecks of each of the four stages.
      width: channels of the first stage before its expansion; the last map has 32
        times as many.
      heads: of the attention at the end; None is one for 64 channels.
      output: "pooled" [b dim], "unprojected" [b 32*width] (the same before its
        projection), "mean" [b 32*width] (of the last map), "map" [b h w 32*width],
        "stem", "layer1" to "layer4"; several names give a dict.
      zero_init: the last batch-norm scale of each residual branch starts at zero.
      bn_groups: batch norm over so many contiguous groups of the batch.
      bn_momentum: weight of the old running statistics.
      bn_eps: epsilon of batch norm.
      conv_impl: "lax", "matmul" or "auto", as in `resnet`.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images `[b h w c]`; positions are resized for other sizes than that of
      the first image.

    Raises:
      ValueError: heads that do not divide the channels of the last map.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = clip_resnet(dim=4, stages=(1, 1, 1, 1), width=4, heads=2)
      >>> image = jnp.zeros((2, 64, 64, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> jax.eval_shape(net.apply, params, stats, image)[0].shape
      (2, 4)

    References:
      Radford et al., "Learning Transferable Visual Models From Natural Language
      Supervision", 2021, arXiv:2103.00020, section 2.4.

    Note:
      The biases of the attention start at zero; the released code leaves them as torch
      draws them.
    """
    channels = 32 * width
    heads = max(1, channels // 64) if heads is None else heads
    check_heads(channels, heads)
    compute = compute_dtype(dtype)
    module = ImageResNet(
        stages=tuple(stages),
        bottleneck=True,
        base_width=width,
        stem="deep_mean",
        zero_init=zero_init,
        stride_on="pool",
        shortcut="pool",
        selective=None,
        output=output if isinstance(output, str) else tuple(output),
        conv=partial(Conv, kernel_init="uniform", impl=conv_impl, dtype=compute),
        norm=partial(
            BatchNorm,
            groups=bn_groups,
            momentum=bn_momentum,
            epsilon=bn_eps,
            dtype=compute,
        ),
        dim=dim,
        heads=heads,
        dtype=compute,
    )
    return from_linen(module)


class ImageResNet(ResNet):
    """The trunk, and attention over its last map."""

    dim: int
    heads: int
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False, order: Order = None
    ) -> Selected:
        outputs = self.run(x, train, order)
        outputs["mean"] = outputs["pooled"]
        pool = AttentionPool(self.dim, self.heads, self.dtype, name="attention")
        outputs["pooled"], outputs["unprojected"] = pool(outputs["map"])
        return select(outputs, self.output)


class AttentionPool(nn.Module):
    """One query, the mean of a map, over the mean and all places."""

    dim: int
    heads: int
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"]
    ) -> tuple[Float[Array, "b d"], Float[Array, "b c"]]:
        b, *grid, width = x.shape
        init = nn.initializers.normal(width**-0.5)
        x = x.reshape(b, -1, width)
        mean = at_least_float32(x).mean(axis=1, keepdims=True).astype(x.dtype)
        x = jnp.concatenate([mean, x], axis=1)
        x = x + self._positions((grid[0], grid[1]), width, init).astype(x.dtype)
        layer = partial(Dense, kernel_init=init, dtype=self.dtype)
        q, k, v = (
            layer(width, name=name)(tokens).reshape(
                b, -1, self.heads, width // self.heads
            )
            for name, tokens in (("q", x[:, :1]), ("k", x), ("v", x))
        )
        out = jnp.einsum("bhqk,bkhd->bqhd", attention_map(q, k), v).reshape(b, width)
        pooled = layer(self.dim, name="proj")(out)
        return at_least_float32(pooled), at_least_float32(out)

    def _positions(self, grid, width, init):
        if not self.has_variable("params", "pos_embed"):
            return parameter(self, "pos_embed", init, (1, 1 + grid[0] * grid[1], width))
        return positions_on(self.get_variable("params", "pos_embed"), grid, prefix=1)
