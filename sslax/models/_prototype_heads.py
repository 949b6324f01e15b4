"""Heads that end in prototypes."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from sslax.arrays import unit
from sslax.checks import check_choice
from sslax.core import Net
from sslax.models._batch_norm import BatchNorm
from sslax.models._layers import Dense, dense_init
from sslax.models._nets import check_widths, compute_dtype, from_linen
from sslax.models._parameter import parameter

__all__ = ["dino_head"]


class Prototypes(nn.Module):
    """A linear layer without bias whose columns have unit length times a gain.

    The gain has two axes, as torch's weight norm has it: where it is trained, it is
    decayed with the matrices, which `exclude="rank_one"` would not do with one.
    """

    features: int
    with_gain: bool

    @nn.compact
    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b d"]:
        shape = (x.shape[-1], self.features)
        kernel = parameter(self, "kernel", dense_init("uniform"), shape)
        kernel = unit(kernel, axis=0)
        if self.with_gain:
            ones = nn.initializers.ones
            gain = parameter(self, "gain", ones, (1, self.features))
            kernel = kernel * gain
        return x @ kernel.astype(x.dtype)


class DinoHead(nn.Module):
    """Linear and GELU, a bottleneck on the sphere, prototypes."""

    dim: int
    patch_dim: int | None
    hidden: int
    bottleneck: int
    depth: int
    with_gain: bool
    norm: Any
    dense: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "*b c"], *, train: bool = False
    ) -> Array | tuple[Array, Array]:
        for i in range(1, self.depth):
            x = self.dense(self.hidden, use_bias=self.norm is None, name=f"linear{i}")(
                x
            )
            if self.norm is not None:
                x = self.norm(name=f"bn{i}")(x, train=train)
            x = jax.nn.gelu(x, approximate=False)
        x = self.dense(self.bottleneck, name=f"linear{self.depth}")(x)
        x = unit(x)
        last = Prototypes(self.dim, self.with_gain, name="prototypes")
        if self.patch_dim is None:
            return last(x)
        if self.patch_dim == 0:
            both = last(x)
            return both[:, 0], both[:, 1:]
        patches = Prototypes(self.patch_dim, self.with_gain, name="patch_prototypes")
        return last(x[:, 0]), patches(x[:, 1:])


def dino_head(
    *,
    dim: int = 65536,
    patch_dim: int | None = None,
    hidden: int = 2048,
    bottleneck: int = 256,
    depth: int = 3,
    norm: str | None = None,
    with_gain: bool = False,
    dtype: str | None = None,
) -> Net:
    """The head of DINO and iBOT: an MLP, the unit sphere, prototypes of unit length.

    Args:
      dim: the number of prototypes.
      patch_dim: None for features `[... d]`; a number for tokens `[b 1+n d]`, whose
        patches have so many prototypes of their own; 0 for tokens whose patches share
        the prototypes of the class token.
      hidden: width of the hidden layers.
      bottleneck: dimension of the sphere.
      depth: linear layers before the sphere.
      norm: "batch" or None, after each hidden layer, which then has no bias.
      with_gain: a learned length per prototype; without, it is 1 (DINO's advice). The
        official code decays it, though it has one number per prototype.
      dtype: dtype of the MLP; the sphere and the prototypes are at least float32.

    Returns:
      A net with output `[... dim]`, or `([b dim], [b n patch_dim])` for tokens.

    Raises:
      ValueError: an unknown norm or dtype, or a depth or width below 1.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = dino_head(dim=6, hidden=8, bottleneck=4)
      >>> params, stats = net.init(jax.random.key(0), jnp.ones((2, 5)))
      >>> net.apply(params, stats, jnp.ones((2, 5)))[0].shape
      (2, 6)

    References:
      Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", 2021,
      arXiv:2104.14294, section 3.1. Zhou et al., "iBOT: Image BERT Pre-Training with
      Online Tokenizer", 2022, arXiv:2111.07832.
    """
    check_choice((None, "batch"), norm=norm)
    if depth < 1:
        raise ValueError(f"depth is {depth}; a head has at least 1 layer")
    check_widths(dim=dim, hidden=hidden, bottleneck=bottleneck)
    compute = compute_dtype(dtype)
    module = DinoHead(
        dim=dim,
        patch_dim=patch_dim,
        hidden=hidden,
        bottleneck=bottleneck,
        depth=depth,
        with_gain=with_gain,
        norm=None if norm is None else partial(BatchNorm, dtype=compute),
        dense=partial(Dense, kernel_init="truncated", dtype=compute),
    )
    return from_linen(module)
