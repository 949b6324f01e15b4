"""AlexNet, and the response normalisation of its time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.checks import check_choice
from sslax.core import Net
from sslax.models._batch_norm import BatchNorm
from sslax.models._layers import Conv, Dense, Dropout, max_pool
from sslax.models._nets import Selected, compute_dtype, from_linen, select

__all__ = ["alexnet", "local_response_norm"]


def local_response_norm(
    x: Float[Array, "b h w c"],
    *,
    size: int = 5,
    alpha: float | int = 1e-4,
    beta: float | int = 0.75,
    k: float | int = 1.0,
) -> Float[Array, "b h w c"]:
    """Divides each channel by a power of the mean square of its neighbours.

    y_c = x_c / (k + alpha * mean_{|i-c| <= size/2} x_i^2)^beta, channels beyond the
    ends counting as zero.

    Args:
      x: `[b h w c]`.
      size: the number of neighbours, the channel itself among them.
      alpha: weight of the mean square.
      beta: the power.
      k: the constant.

    Returns:
      `[b h w c]`.

    Example:
      >>> import jax.numpy as jnp
      >>> x = jnp.ones((1, 1, 1, 3))
      >>> y = local_response_norm(x, size=3, alpha=3.0, beta=1.0)
      >>> [round(v, 2) for v in y.ravel().tolist()]
      [0.33, 0.25, 0.33]

    References:
      Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural
      Networks", 2012, section 3.3.

    Note:
      The paper sums and has k = 2; Caffe and torch take the mean, followed here.
    """
    x = at_least_float32(x)
    edges = ((0, 0), (0, 0), (0, 0), (size // 2, (size - 1) // 2))
    total = lax.reduce_window(
        jnp.square(x), np.array(0, x.dtype), lax.add, (1, 1, 1, size), (1,) * 4, edges
    )
    return x / (k + alpha / size * total) ** beta


def _bins(old, new):
    """Averages `old` places into `new` bins that may overlap, as torch does."""
    matrix = np.zeros((new, old))
    for i in range(new):
        start, end = i * old // new, -(-(i + 1) * old // new)
        matrix[i, start:end] = 1.0 / (end - start)
    return matrix


class AlexNet(nn.Module):
    """Five convolutions, three pools, two hidden layers."""

    widths: Sequence[int]
    hidden: int
    dropout: float | int
    output: Any
    conv: Any
    dense: Any
    norm: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool = False) -> Selected:
        outputs = {}
        shapes = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
        for i, (width, (size, stride, padding)) in enumerate(
            zip(self.widths, shapes, strict=True), start=1
        ):
            x = self.conv(width, size, stride, padding, name=f"conv{i}")(x)
            x = self._activated(x, f"bn{i}", train)
            outputs[f"conv{i}"] = x
            if i in (1, 2, 5):
                x = max_pool(x, size=3, stride=2, padding=0)
        rows, columns = (jnp.asarray(_bins(n, 6), x.dtype) for n in x.shape[1:3])
        x = jnp.einsum("ih,jw,bhwc->bijc", rows, columns, x)
        outputs["map"] = x
        x = x.reshape(x.shape[0], -1)
        for i in (6, 7):
            x = Dropout(self.dropout)(x, train=train)
            x = self._activated(
                self.dense(self.hidden, name=f"fc{i}")(x), f"bn{i}", train
            )
            outputs[f"fc{i}"] = x
        outputs["pooled"] = at_least_float32(x)
        return select(outputs, self.output)

    def _activated(self, x, name, train):
        if self.norm is not None:
            x = self.norm(name=name)(x, train=train)
        return nn.relu(x)


def alexnet(
    *,
    widths: Sequence[int] = (64, 192, 384, 256, 256),
    hidden: int = 4096,
    norm: str | None = "batch",
    dropout: float | int = 0.0,
    output: str | Sequence[str] = "pooled",
    conv_impl: str = "auto",
    dtype: str | None = None,
) -> Net:
    """AlexNet in one column, as the pretext tasks use it.

    Args:
      widths: channels of the five convolutions.
      hidden: width of the two linear layers.
      norm: "batch" (RotNet: after every layer, which then has no bias) or None
        (torchvision: biases, no norm).
      dropout: rate before each linear layer (torchvision: 0.5); no key, no drops.
      output: "pooled" [b hidden] (the last linear layer), "map" [b 6 6 c], "conv1" to
        "conv5" (before the pool), "fc6", "fc7"; several names give a dict.
      conv_impl: "lax", "matmul" or "auto" (the fastest on CPU).
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of images `[b h w c]` of about 224 pixels; other sizes are averaged to a map
      of 6 x 6.

    Raises:
      ValueError: an unknown norm, output or dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = alexnet()
      >>> image = jnp.zeros((2, 224, 224, 3))
      >>> params, stats = jax.eval_shape(net.init, jax.random.key(0), image)
      >>> jax.eval_shape(net.apply, params, stats, image)[0].shape
      (2, 4096)

    References:
      Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
      2014, arXiv:1404.5997. Gidaris et al., "Unsupervised Representation Learning by
      Predicting Image Rotations", 2018, arXiv:1803.07728.
    """
    check_choice((None, "batch"), norm=norm)
    compute, bias = compute_dtype(dtype), norm is None
    kind = "uniform" if bias else "he_fan_out"
    conv = partial(Conv, use_bias=bias, kernel_init=kind, impl=conv_impl, dtype=compute)
    module = AlexNet(
        widths=tuple(widths),
        hidden=hidden,
        dropout=dropout,
        output=output if isinstance(output, str) else tuple(output),
        conv=conv,
        dense=partial(Dense, use_bias=bias, kernel_init="uniform", dtype=compute),
        norm=partial(BatchNorm, dtype=compute) if norm else None,
    )
    return from_linen(module)
