"""The network of Exemplar-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.core import Net
from sslax.models._layers import Dropout
from sslax.models._nets import Selected, compute_dtype, from_linen, select
from sslax.models._plain_layers import PlainConv, PlainDense, ceil_pool

__all__ = ["exemplar_net"]


class ExemplarNet(nn.Module):
    """5x5 convolutions with pools between, one linear layer."""

    widths: Sequence[int]
    hidden: int
    dropout: float | int
    output: Any
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool = False) -> Selected:
        outputs = {}
        for i, (width, deviation) in enumerate(
            zip(self.widths, (0.05, 0.02, 0.01), strict=True), start=1
        ):
            conv = PlainConv(
                width,
                5,
                kernel_init=nn.initializers.normal(deviation),
                bias=0.1,
                dtype=self.dtype,
                name=f"conv{i}",
            )
            x = nn.relu(conv(x))
            outputs[f"conv{i}"] = x
            x = ceil_pool(x) if i < 3 else x
        outputs["map"] = x
        init = nn.initializers.normal(0.01)
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(PlainDense(self.hidden, init, 0.1, self.dtype, name="fc4")(x))
        x = Dropout(self.dropout)(x, train=train)
        outputs["pooled"] = at_least_float32(x)
        return select(outputs, self.output)


def exemplar_net(
    *,
    widths: Sequence[int] = (64, 128, 256),
    hidden: int = 512,
    dropout: float | int = 0.5,
    output: str | Sequence[str] = "pooled",
    dtype: str | None = None,
) -> Net:
    """The network of Exemplar-CNN for patches of 32 pixels: 64c5-128c5-256c5-512f.

    Args:
      widths: channels of the three 5x5 convolutions; (64, 64, 128) with `hidden=128` is
        the small one, (92, 256, 512) with 1024 the large one.
      hidden: width of the linear layer.
      dropout: rate after the linear layer; no key, no drops.
      output: "pooled" [b hidden], "map", "conv1" to "conv3" (before the pool); several
        names give a dict.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of patches `[b h w c]` of one size.

    Raises:
      ValueError: other than three widths, an unknown output or dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = exemplar_net()
      >>> patches = jnp.zeros((2, 32, 32, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), patches)
      >>> jax.eval_shape(net.apply, params, stats, patches)[0].shape
      (2, 512)

    References:
      Dosovitskiy et al., "Discriminative Unsupervised Feature Learning with Exemplar
      Convolutional Neural Networks", 2014, arXiv:1406.6909, section 4.1.
    """
    if len(widths) != 3:
        raise ValueError(f"widths are {tuple(widths)}; expected three")
    module = ExemplarNet(
        widths=tuple(widths),
        hidden=hidden,
        dropout=dropout,
        output=output,
        dtype=compute_dtype(dtype),
    )
    return from_linen(module)
