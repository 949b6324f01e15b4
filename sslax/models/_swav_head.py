"""SwAV's head: a projection to the sphere, and prototypes on it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from sslax.arrays import unit
from sslax.core import Net
from sslax.models._batch_norm import BatchNorm, Order
from sslax.models._heads import MLP
from sslax.models._layers import Dense, dense_init
from sslax.models._nets import check_widths, compute_dtype, from_linen

__all__ = ["swav_head", "unit_prototypes"]


def _unit_init(key, shape, dtype=jnp.float32):
    return unit(dense_init("uniform")(key, shape, dtype), axis=0)


class SwavHead(nn.Module):
    """A head, the sphere, scores of prototypes."""

    projector: Any
    prototypes: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "*b c"], *, train: bool = False, order: Order = None
    ) -> tuple[Float[Array, "*b d"], Float[Array, "*b k"]]:
        z = self.projector(name="projector")(x, train=train, order=order)
        z = unit(z)
        scores = Dense(
            self.prototypes, use_bias=False, kernel_init=_unit_init, name="prototypes"
        )
        return z, scores(z)


def swav_head(
    *,
    hidden: int = 2048,
    dim: int = 128,
    prototypes: int = 3000,
    depth: int = 2,
    bn_groups: int = 1,
    dtype: str | None = None,
) -> Net:
    """SwAV's head: linear, batch norm, ReLU, linear, the unit sphere, prototypes.

    The prototypes are the columns of `params["prototypes"]["kernel"]`, `[dim
    prototypes]`. They begin with unit length; `unit_prototypes` brings them back to it
    after an update.

    Args:
      hidden: width of the hidden layers; 8192 for wide ResNets.
      dim: dimension of the sphere.
      prototypes: their number.
      depth: linear layers before the sphere; 1 is a linear projection.
      bn_groups: batch norm over so many contiguous groups of the batch.
      dtype: dtype of the projection; sphere and scores are at least float32.

    Returns:
      A net of features `[... d]` with `(z, scores)`: z `[... dim]` of unit length, and
      its cosines with the prototypes `[... prototypes]`.

    Raises:
      ValueError: a depth or width below 1, or an unknown dtype.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = swav_head(hidden=8, dim=4, prototypes=6)
      >>> params, stats = net.init(jax.random.key(0), jnp.ones((2, 5)))
      >>> (z, scores), _ = net.apply(params, stats, jnp.ones((2, 5)))
      >>> z.shape, scores.shape
      ((2, 4), (2, 6))

    References:
      Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster
      Assignments", 2020, arXiv:2006.09882, section 3 and appendix A.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}; a head has at least 1 layer")
    check_widths(hidden=hidden, dim=dim, prototypes=prototypes)
    compute = compute_dtype(dtype)
    norm = partial(BatchNorm, groups=bn_groups, dtype=compute)
    projector = partial(
        MLP,
        hidden=hidden,
        dim=dim,
        depth=depth,
        bias=True,
        norm=norm,
        last_norm=None,
        last_bias=True,
        dense=partial(Dense, kernel_init="uniform", dtype=compute),
    )
    return from_linen(SwavHead(projector=projector, prototypes=prototypes))


def unit_prototypes(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of `swav_head` with prototypes of unit length.

    SwAV projects the parameter itself after (or before) each step; no gradient passes.

    Args:
      params: of `swav_head`.

    Returns:
      The same tree; zero prototypes stay zero.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> net = swav_head(hidden=8, dim=4, prototypes=6)
      >>> params, _ = net.init(jax.random.key(0), jnp.ones((2, 5)))
      >>> longer = jax.tree.map(lambda p: 3 * p, params)
      >>> kernel = unit_prototypes(longer)["prototypes"]["kernel"]
      >>> [round(float(x), 4) for x in jnp.square(kernel).sum(0)[:2]]
      [1.0, 1.0]

    References:
      Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster
      Assignments", 2020, arXiv:2006.09882, section 3.1.
    """
    kernel = unit(params["prototypes"]["kernel"], axis=0)
    return {**params, "prototypes": {"kernel": kernel}}
