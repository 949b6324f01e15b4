"""Heads: multi-layer perceptrons and linear layers."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from sslax.arrays import at_least_float32
from sslax.checks import check_choice
from sslax.core import Net
from sslax.models._batch_norm import BatchNorm, Order
from sslax.models._layers import Dense
from sslax.models._nets import check_widths, compute_dtype, from_linen

__all__ = ["linear", "mlp"]

_LAST_NORMS = {
    None: None,
    "batch": (True, True),
    "scale": (True, False),
    "plain": (False, False),
}


class MLP(nn.Module):
    """Linear, norm, ReLU; the last layer with its own norm and bias."""

    hidden: int
    dim: int
    depth: int
    bias: bool
    norm: Any
    last_norm: Any
    last_bias: bool
    dense: Any
    input_norm: Any = None
    output: str = "last"

    @nn.compact
    def __call__(
        self, x: Float[Array, "*b c"], *, train: bool = False, order: Order = None
    ) -> Float[Array, "*b d"]:
        if self.input_norm is not None:
            x = self.input_norm(name="bn0")(x, train=train, order=order)
        for i in range(1, self.depth):
            x = self.dense(self.hidden, use_bias=self.bias, name=f"linear{i}")(x)
            if self.norm is not None:
                x = self.norm(name=f"bn{i}")(x, train=train, order=order)
            x = nn.relu(x)
            if self.output == f"hidden{i}":
                return at_least_float32(x)
        last = self.dense(self.dim, use_bias=self.last_bias, name=f"linear{self.depth}")
        x = last(x)
        if self.last_norm is not None:
            x = self.last_norm(name=f"bn{self.depth}")(x, train=train, order=order)
        return at_least_float32(x)


def mlp(
    *,
    hidden: int = 2048,
    dim: int = 128,
    depth: int = 2,
    norm: str | None = "batch",
    bias: bool = False,
    last_norm: str | None = None,
    last_bias: bool = True,
    input_norm: bool = False,
    output: str = "last",
    init: str | float | int = "uniform",
    bn_groups: int = 1,
    bn_momentum: float | int = 0.9,
    bn_eps: float | int = 1e-5,
    bn_unbiased: bool = True,
    dtype: str | None = None,
) -> Net:
    """A projection or prediction head: `depth` linear layers with ReLU between.

    The heads of the literature are choices of these arguments:

    - SimCLR: `bias=False, last_norm="scale", last_bias=False, init="normal"`, depth 2
      (version 1) or 3 (version 2).
    - BYOL: `hidden=4096, dim=256, bias=True, last_bias=False, init="lecun"`.
    - MoCo v2: `norm=None, bias=True`.
    - SimSiam's projector: `depth=3, last_norm="plain", last_bias=False`.
    - MoCo v3: `hidden=4096, dim=256, last_norm="plain", last_bias=False`.
    - Barlow Twins: `hidden=8192, dim=8192, depth=3, last_bias=False`.

    Args:
      hidden: width of the hidden layers.
      dim: width of the output.
      depth: the number of linear layers; 1 is a linear head.
      norm: "batch" or None, after each hidden layer.
      bias: a bias in the hidden layers.
      last_norm: None, "batch", "scale" (batch norm without offset) or "plain" (batch
        norm without scale and offset), after the last layer.
      last_bias: a bias in the last layer.
      input_norm: batch norm without scale and offset before the first layer.
      output: "last", or "hidden1", ...: that hidden layer behind its norm and ReLU,
        where the net then ends (SimCLR v2 is fine-tuned from the first).
      init: "uniform" (kernels and biases within 1/sqrt(fan in), torch's default),
        "normal" (deviation 0.01), "lecun", "xavier", "truncated" (deviation 0.02),
        "narrow" (BEiT's: that, cut at one), "orthogonal" or "zeros", or the deviation
        of a normal as a number; biases are zero except with "uniform".
      bn_groups: batch norm over so many contiguous groups of the batch.
      bn_momentum: weight of the old running statistics.
      bn_eps: epsilon of batch norm.
      bn_unbiased: which variance the running statistics keep, see `resnet`.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of features `[... d]` with output `[... dim]`, at least float32.

    Raises:
      ValueError: an unknown norm, output, init or dtype; a depth or width below 1.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = mlp(hidden=8, dim=4, bias=True, last_bias=False, init="lecun")
      >>> params, stats = net.init(jax.random.key(0), jnp.ones((2, 6)))
      >>> sorted(params)
      ['bn1', 'linear1', 'linear2']

    References:
      Chen et al., "A Simple Framework for Contrastive Learning of Visual
      Representations", 2020, arXiv:2002.05709, section 4.2. Grill et al., "Bootstrap
      Your Own Latent", 2020, arXiv:2006.07733, section 3.3.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}; a head has at least 1 layer")
    check_widths(dim=dim, **({"hidden": hidden} if depth > 1 else {}))
    check_choice((None, "batch"), norm=norm)
    check_choice(_LAST_NORMS, last_norm=last_norm)
    outputs = [*(f"hidden{i}" for i in range(1, depth)), "last"]
    check_choice(outputs, output=output)
    compute = compute_dtype(dtype)
    batch_norm = partial(
        BatchNorm,
        groups=bn_groups,
        momentum=bn_momentum,
        epsilon=bn_eps,
        unbiased=bn_unbiased,
        dtype=compute,
    )
    last = None
    if last_norm is not None:
        scale, offset = _LAST_NORMS[last_norm]
        last = partial(batch_norm, use_scale=scale, use_bias=offset)
    module = MLP(
        hidden=hidden,
        dim=dim,
        depth=depth,
        bias=bias,
        norm=None if norm is None else batch_norm,
        last_norm=last,
        last_bias=last_bias,
        input_norm=_plain_norm(batch_norm) if input_norm else None,
        output=output,
        dense=partial(Dense, kernel_init=init, dtype=compute),
    )
    return from_linen(module)


def _plain_norm(batch_norm):
    """The norm in front of a probe, with MAE's epsilon."""
    return partial(batch_norm, use_scale=False, use_bias=False, epsilon=1e-6)


def linear(
    *,
    dim: int,
    bias: bool = True,
    init: str | float | int = "uniform",
    input_norm: bool = False,
    dtype: str | None = None,
) -> Net:
    """One linear layer: the head of MoCo v1, a classifier, a probe.

    Args:
      dim: width of the output.
      bias: whether there is a bias.
      init: as in `mlp`.
      input_norm: batch norm without scale and offset before it (epsilon 1e-6), as MAE
        probes its features.
      dtype: dtype of computation; None follows inputs and parameters.

    Returns:
      A net of features `[... d]` with output `[... dim]`, at least float32.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = linear(dim=4, init="zeros")
      >>> params, stats = net.init(jax.random.key(0), jnp.ones((2, 6)))
      >>> net.apply(params, stats, jnp.ones((2, 6)))[0].shape
      (2, 4)

    References:
      He et al., "Momentum Contrast for Unsupervised Visual Representation Learning",
      2020, arXiv:1911.05722, section 3.3.
    """
    return mlp(
        dim=dim,
        depth=1,
        norm=None,
        last_bias=bias,
        input_norm=input_norm,
        init=init,
        dtype=dtype,
    )
