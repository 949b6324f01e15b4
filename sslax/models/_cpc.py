"""The networks of CPC v2: residual blocks with layer norm, and a context of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.checks import check_choice
from sslax.core import Net
from sslax.models._batch_norm import Order
from sslax.models._layers import Conv, Dense, max_pool
from sslax.models._neighbours import above_and_own, beside
from sslax.models._nets import Selected, compute_dtype, from_linen, select
from sslax.models._parameter import parameter
from sslax.models._resnet_block import Block

__all__ = ["cpc_context", "cpc_resnet"]

_STAGES = {50: (3, 4, 6), 101: (3, 4, 23), 161: (3, 4, 46)}


class MapNorm(nn.Module):
    """Layer norm over rows, columns and channels; scale and offset per channel."""

    epsilon: float = 1e-5
    scale_init: Callable[..., Any] = nn.initializers.ones
    dtype: Any = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "*b c"], *, train: bool = False, order: Order = None
    ) -> Float[Array, "*b c"]:
        del train, order  # every example alone
        channels = (x.shape[-1],)
        scale = parameter(self, "scale", self.scale_init, channels)
        bias = parameter(self, "bias", nn.initializers.zeros, channels)
        dtype = self.dtype or jnp.result_type(x, scale)
        x = at_least_float32(x)
        x = x - x.mean(axis=(1, 2, 3), keepdims=True)
        var = jnp.square(x).mean(axis=(1, 2, 3), keepdims=True)
        x = x * lax.rsqrt(var + self.epsilon)
        return (x * scale.reshape(1, 1, 1, -1) + bias.reshape(1, 1, 1, -1)).astype(
            dtype
        )


class CPCResNet(nn.Module):
    """Three stages; the last is wide."""

    stages: Sequence[int]
    base_width: int
    zero_init: bool
    output: Any
    conv: Any
    norm: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool = False) -> Selected:
        x = self.conv(self.base_width, 7, 2, name="conv1")(x)
        x = nn.relu(self.norm(name="bn1")(x, train=train))
        x = max_pool(x, size=3, stride=2, padding=1)
        outputs = {"stem": x}
        for i, (depth, factor, expansion) in enumerate(
            zip(self.stages, (1, 2, 8), (4, 4, 8), strict=True)
        ):
            for j in range(depth):
                x = Block(
                    width=self.base_width * factor,
                    stride=2 if i > 0 and j == 0 else 1,
                    bottleneck=True,
                    zero_init=self.zero_init,
                    conv=self.conv,
                    norm=self.norm,
                    expansion=expansion,
                    name=f"layer{i + 1}_{j}",
                )(x, train=train)
            outputs[f"layer{i + 1}"] = x
        outputs["map"] = x
        outputs["pooled"] = at_least_float32(x).mean(axis=(1, 2))
        return select(outputs, self.output)


def cpc_resnet(
    *,
    depth: int = 161,
    width: float | int = 1,
    output: str | Sequence[str] = "pooled",
    zero_init: bool = False,
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """The encoder of patches of CPC v2: three stages of bottlenecks, layer norm.

    Layer norm is over rows, columns and channels of a patch, so that nothing passes
    between patches. The third stage has bottlenecks of 512 and maps of 4096 channels.

    Args:
      depth: 161 (46 blocks in the third stage), 101 (23) or 50 (6).
      width: multiplies all channels; may be a fraction.
      output: "pooled" [b d], "map" [b h w d], "stem", "layer1" to "layer3"; several
        names give a dict.
      zero_init: the last scale of each residual branch starts at zero.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU); same parameters.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of patches `[b h w c]`, 80 pixels in the paper, with codes `[b 4096]`.

    Raises:
      ValueError: an unknown depth, output or dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = cpc_resnet(depth=50, width=0.125)
      >>> patches = jnp.zeros((2, 32, 32, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), patches)
      >>> jax.eval_shape(net.apply, params, stats, patches)[0].shape
      (2, 512)

    References:
      Henaff et al., "Data-Efficient Image Recognition with Contrastive Predictive
      Coding", 2020, arXiv:1905.09272, section 3.1.

    Note:
      The paper names the network and its sizes and publishes no code. Version 1 blocks
      are followed, as in lightning-bolts, whose norm has a scale for each place too and
      which goes on with a fourth stage.
    """
    check_choice(_STAGES, depth=depth)
    compute = compute_dtype(dtype)
    module = CPCResNet(
        stages=_STAGES[depth],
        base_width=round(64 * width),
        zero_init=zero_init,
        output=output,
        conv=partial(Conv, impl=conv_impl, dtype=compute),
        norm=partial(MapNorm, dtype=compute),
    )
    return from_linen(module)


class RowContext(nn.Module):
    """Residual blocks that see their own row and those above."""

    blocks: int
    hidden: int
    dense: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool = False
    ) -> Float[Array, "b i j d"]:
        for i in range(1, self.blocks + 1):
            y = nn.relu(self.dense(self.hidden, name=f"narrow{i}")(x))
            y = self.dense(self.hidden, name=f"row{i}")(beside(y))
            y = nn.relu(self.dense(self.hidden, name=f"above{i}")(above_and_own(y)))
            x = x + self.dense(x.shape[-1], name=f"wide{i}")(y)
        return at_least_float32(nn.relu(x))


def cpc_context(*, hidden: int = 256, blocks: int = 5, dtype: str | None = None) -> Net:
    """The context of CPC v2: from the codes of a row and of those above, row by row.

    Each block looks at both neighbours in the row and at one row above; other
    directions are had by turning the grid.

    Args:
      hidden: width of the blocks.
      blocks: how many; row r sees the rows r - blocks to r.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of grids of codes `[b h w d]` with contexts `[b h w d]`, at least float32.

    Raises:
      ValueError: fewer than 1 block.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = cpc_context(hidden=4, blocks=2)
      >>> codes = jnp.ones((2, 3, 3, 8))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), codes)
      >>> jax.eval_shape(net.apply, params, stats, codes)[0].shape
      (2, 3, 3, 8)

    References:
      Henaff et al., "Data-Efficient Image Recognition with Contrastive Predictive
      Coding", 2020, arXiv:1905.09272, appendix (pseudo-code).
    """
    if blocks < 1:
        raise ValueError(f"blocks is {blocks}; expected at least 1")
    dense = partial(Dense, kernel_init="lecun", dtype=compute_dtype(dtype))
    return from_linen(RowContext(blocks=blocks, hidden=hidden, dense=dense))
