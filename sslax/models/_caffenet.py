"""CaffeNet, the tower of the first pretext tasks, and its heads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.checks import check_choice
from sslax.core import Net
from sslax.models._alexnet import local_response_norm
from sslax.models._batch_norm import BatchNorm
from sslax.models._layers import Dropout
from sslax.models._nets import Selected, compute_dtype, from_linen, select
from sslax.models._plain_layers import PlainConv, PlainDense, ceil_pool

__all__ = ["caffenet", "caffenet_head"]

# Deviations of kernels and values of biases where the start is "gauss".
_BIASES = (0.0, 1.0, 0.0, 1.0, 1.0)


def _start(init, deviation, bias):
    """Initialisers of a kernel and its bias."""
    check_choice(("xavier", "gauss"), init=init)
    if init == "xavier":  # Caffe's: by the fan in
        return nn.initializers.variance_scaling(1.0, "fan_in", "uniform"), 0.0
    return nn.initializers.normal(deviation), bias


class CaffeNet(nn.Module):
    """Five convolutions, three pools, two response norms, one linear layer."""

    widths: Sequence[int]
    hidden: int
    stride: int
    padding: int
    groups: int
    response_norm: bool
    dropout: float | int
    start: str
    output: Any
    norm: Any
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool = False) -> Selected:
        outputs = {}
        shapes = ((11, self.stride, self.padding), (5, 1, 2), *((3, 1, 1),) * 3)
        for i, (width, (size, stride, padding)) in enumerate(
            zip(self.widths, shapes, strict=True), start=1
        ):
            kernel_init, bias = _start(self.start, 0.01, _BIASES[i - 1])
            x = PlainConv(
                width,
                size,
                stride,
                padding,
                groups=self.groups if i in (2, 4, 5) else 1,
                kernel_init=kernel_init,
                bias=bias,
                dtype=self.dtype,
                name=f"conv{i}",
            )(x)
            if self.norm is not None and i > 2:
                x = self.norm(name=f"bn{i}")(x, train=train)
            x = nn.relu(x)
            outputs[f"conv{i}"] = x
            x = ceil_pool(x) if i in (1, 2, 5) else x
            if self.response_norm and i <= 2:
                x = local_response_norm(x).astype(x.dtype)
        outputs["map"] = x
        kernel_init, bias = _start(self.start, 0.005, 1.0)
        fc6 = PlainDense(self.hidden, kernel_init, bias, self.dtype, name="fc6")
        x = fc6(x.reshape(x.shape[0], -1))
        if self.norm is not None:
            x = self.norm(name="bn6")(x, train=train)
        x = Dropout(self.dropout)(nn.relu(x), train=train)
        outputs["pooled"] = at_least_float32(x)
        return select(outputs, self.output)


def caffenet(
    *,
    widths: Sequence[int] = (96, 256, 384, 384, 256),
    hidden: int = 4096,
    stride: int = 4,
    padding: int = 5,
    groups: int = 1,
    response_norm: bool = True,
    norm: str | None = "plain",
    dropout: float | int = 0.0,
    init: str = "xavier",
    output: str | Sequence[str] = "pooled",
    dtype: str | None = None,
) -> Net:
    """The tower of context prediction and of jigsaw puzzles, shared by their patches.

    - Context prediction: the defaults.
    - Jigsaw (the context-free network): `hidden=1024, stride=2, padding=0, groups=2,
      norm=None, dropout=0.5, init="gauss"`.
    - Learning to count: `response_norm=False, norm=None`, 114 pixels; `mlp(hidden=4096,
      dim=1000, norm=None, bias=True)` and a ReLU follow.

    Pools of 3x3 with stride 2 count a last, partial window, as in Caffe.

    Args:
      widths: channels of the five convolutions.
      hidden: width of the linear layer.
      stride: of the first convolution, 11x11.
      padding: of the first convolution.
      groups: 2 splits the second, fourth and fifth convolution in halves.
      response_norm: `local_response_norm` after the first two pools.
      norm: "plain" (batch norm without scale and offset, from the third convolution on)
        or None.
      dropout: rate after the linear layer; no key, no drops.
      init: "xavier" (Caffe's, zero biases) or "gauss" (deviations 0.01 and 0.005, some
        biases 1).
      output: "pooled" [b hidden], "map" (after the last pool), "conv1" to "conv5"
        (before the pool); several names give a dict.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of patches `[b h w c]` of one size, 96 or 64 pixels in the papers.

    Raises:
      ValueError: an unknown norm, init, output or dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = caffenet()
      >>> patches = jnp.zeros((2, 96, 96, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), patches)
      >>> jax.eval_shape(net.apply, params, stats, patches)[0].shape
      (2, 4096)

    References:
      Doersch et al., "Unsupervised Visual Representation Learning by Context
      Prediction", 2015, arXiv:1505.05192, figure 3. Noroozi and Favaro, "Unsupervised
      Learning of Visual Representations by Solving Jigsaw Puzzles", 2016,
      arXiv:1603.09246, figure 3. Noroozi et al., "Representation Learning by Learning
      to Count", 2017, arXiv:1708.06734, section 4.

    Note:
      The constants of the response norm are for pixels of 0 to 255, less their mean; at
      pixels of 0 to 1 it does next to nothing.
    """
    check_choice((None, "plain"), norm=norm)
    _start(init, 1.0, 0.0)
    compute = compute_dtype(dtype)
    module = CaffeNet(
        widths=tuple(widths),
        hidden=hidden,
        stride=stride,
        padding=padding,
        groups=groups,
        response_norm=response_norm,
        dropout=dropout,
        start=init,
        output=output,
        norm=_plain_norm(compute) if norm else None,
        dtype=compute,
    )
    return from_linen(module)


def _plain_norm(dtype):
    return partial(BatchNorm, use_scale=False, use_bias=False, dtype=dtype)


class CaffeNetHead(nn.Module):
    """Linear layers with ReLU and dropout; the first may have a norm."""

    hidden: Sequence[int]
    dim: int
    dropout: float | int
    start: str
    norm: Any
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b c"], *, train: bool = False
    ) -> Float[Array, "b d"]:
        for i, width in enumerate(self.hidden, start=1):
            kernel_init, bias = _start(self.start, 0.005, 1.0)
            x = PlainDense(width, kernel_init, bias, self.dtype, name=f"linear{i}")(x)
            if self.norm is not None and i == 1:
                x = self.norm(name="bn1")(x, train=train)
            x = Dropout(self.dropout)(nn.relu(x), train=train)
        kernel_init, bias = _start(self.start, 0.01, 0.0)
        name = f"linear{len(self.hidden) + 1}"
        x = PlainDense(self.dim, kernel_init, bias, self.dtype, name=name)(x)
        return at_least_float32(x)


def caffenet_head(
    *,
    dim: int,
    hidden: Sequence[int] = (4096, 4096),
    norm: str | None = "plain",
    dropout: float | int = 0.0,
    init: str = "xavier",
    dtype: str | None = None,
) -> Net:
    """The head on the codes of several patches, one after the other in one vector.

    - Context prediction: `dim=8`.
    - Jigsaw: `dim=1000` (permutations), `hidden=(4096,), norm=None, dropout=0.5,
      init="gauss"`.

    Args:
      dim: the number of classes.
      hidden: widths of the hidden layers.
      norm: "plain" (batch norm without scale and offset, after the first layer) or
        None.
      dropout: rate after each hidden layer; no key, no drops.
      init: as in `caffenet`.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of features `[b d]` with logits `[b dim]`, at least float32.

    Raises:
      ValueError: an unknown norm, init or dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = caffenet_head(dim=8, hidden=(6, 5))
      >>> codes = jnp.ones((2, 4))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), codes)
      >>> jax.eval_shape(net.apply, params, stats, codes)[0].shape
      (2, 8)

    References:
      Doersch et al., "Unsupervised Visual Representation Learning by Context
      Prediction", 2015, arXiv:1505.05192, figure 3.
    """
    check_choice((None, "plain"), norm=norm)
    _start(init, 1.0, 0.0)
    compute = compute_dtype(dtype)
    module = CaffeNetHead(
        hidden=tuple(hidden),
        dim=dim,
        dropout=dropout,
        start=init,
        norm=_plain_norm(compute) if norm else None,
        dtype=compute,
    )
    return from_linen(module)
