"""Batch norm in groups, contiguous or shuffled."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from sslax.arrays import at_least_float32
from sslax.models._parameter import parameter

__all__ = ["BatchNorm", "Order"]

# A permutation of the batch, whose order the groups are taken in.
Order = Int[Array, " n"] | None


class BatchNorm(nn.Module):
    """Batch norm over `groups` contiguous groups of the batch.

    Running statistics are the mean over the groups. The variance that they keep is the
    unbiased one, as in torch, or with `unbiased=False` that of the batch itself, as in
    the Keras and Haiku codes of SimCLR and BYOL. Under jit the batch is the global one,
    so `groups=1` is the synchronised batch norm. `order`, a permutation of the batch,
    takes the groups from the batch in that order instead: no example moves, statistics
    do, which on many chips is far less. `scale` and `bias` may be left out.
    """

    groups: int = 1
    momentum: float | int = 0.9
    epsilon: float | int = 1e-5
    unbiased: bool = True
    use_scale: bool = True
    use_bias: bool = True
    scale_init: Callable[..., Any] = nn.initializers.ones
    dtype: Any = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "*b c"], *, train: bool = False, order: Order = None
    ) -> Float[Array, "*b c"]:
        channels = (x.shape[-1],)
        mean = self.variable("batch_stats", "mean", jnp.zeros, channels, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, channels, jnp.float32)
        scale = bias = None
        if self.use_scale:
            scale = parameter(self, "scale", self.scale_init, channels)
        if self.use_bias:
            bias = parameter(self, "bias", nn.initializers.zeros, channels)
        dtype = self.dtype or jnp.result_type(x, mean.value)
        if not train:
            return _normalize(
                x, mean.value, var.value, scale, bias, epsilon=self.epsilon
            ).astype(dtype)
        if x.shape[0] % self.groups:
            raise ValueError(
                f"batch norm in {self.groups} groups needs a batch that they divide; "
                f"it has {x.shape[0]} examples"
            )
        if order is None or self.groups == 1:
            y = x.reshape(self.groups, -1, x.shape[-1])
            batch_mean, batch_var = own = _moments(y, mean.value)
        else:
            member = _membership(order, x.shape[0], self.groups)
            batch_mean, batch_var = _member_moments(x, member, mean.value)
            y, own = x, [_of_examples(member, v, x) for v in (batch_mean, batch_var)]
        y = _normalize(y, *own, scale, bias, epsilon=self.epsilon)
        if not self.is_initializing():
            count = x.size // x.shape[-1] // self.groups
            correction = count / max(count - 1, 1) if self.unbiased else 1.0
            mean.value = _follow(mean.value, batch_mean, momentum=self.momentum)
            var.value = _follow(
                var.value, batch_var * correction, momentum=self.momentum
            )
        return y.reshape(x.shape).astype(dtype)


# A network has dozens of these layers, of a few shapes. What is compiled inline is
# traced once for each shape, and stands in the program as if written out.
_inline = functools.partial(jax.jit, inline=True)


@functools.partial(_inline, static_argnames="momentum")
def _follow(running, value, *, momentum):
    value = value.mean(axis=(0, 1)).astype(running.dtype)
    return momentum * running + (1 - momentum) * value


@_inline
def _moments(x, centre):
    """Mean and variance over axis 1, in one pass around a constant near the mean."""
    x = at_least_float32(x)
    centre = lax.stop_gradient(centre).astype(x.dtype).reshape(1, 1, -1)
    shifted = x - centre
    mean = shifted.mean(axis=1, keepdims=True)
    var = jnp.square(shifted).mean(axis=1, keepdims=True) - jnp.square(mean)
    return mean + centre, jnp.maximum(var, 0.0)


@functools.partial(_inline, static_argnums=(1, 2))
def _membership(order, count, groups):
    """One row for each example: 1.0 at the group that it is in, `[n g]`."""
    if order.shape != (count,):
        raise ValueError(
            f"the order has shape {order.shape}; expected ({count},), one place for "
            "each example of the batch"
        )
    group = jnp.argsort(order) // (count // groups)
    return jax.nn.one_hot(group, groups, dtype=jnp.float32)


@_inline
def _member_moments(x, member, centre):
    """`_moments` of groups whose examples lie anywhere in the batch, `[g 1 c]`."""
    x = at_least_float32(x)
    centre = lax.stop_gradient(centre).astype(x.dtype)
    shifted = x - centre.reshape((1,) * (x.ndim - 1) + (-1,))
    inner = tuple(range(1, x.ndim - 1))
    sums = jnp.stack([shifted.mean(inner), jnp.square(shifted).mean(inner)])
    share = member.astype(x.dtype) * (member.shape[1] / member.shape[0])
    mean, square = jnp.einsum("ng,snc->sgc", share, sums, precision="highest")
    var = jnp.maximum(square - jnp.square(mean), 0.0)
    return (mean + centre.reshape(1, -1))[:, None], var[:, None]


@_inline
def _of_examples(member, value, like):
    """What each example takes of a value `[g 1 c]` of the groups."""
    value = jnp.einsum(
        "ng,gc->nc", member.astype(value.dtype), value[:, 0], precision="highest"
    )
    return value.reshape(len(value), *(1,) * (like.ndim - 2), -1)


@functools.partial(_inline, static_argnames="epsilon")
def _normalize(x, mean, var, scale, bias, *, epsilon):
    shape = (1,) * (x.ndim - 1) + (-1,)
    x = at_least_float32(x)
    if mean.ndim == 1:
        mean, var = mean.reshape(shape), var.reshape(shape)
    factor = lax.rsqrt(var + epsilon)
    if scale is not None:
        factor = factor * scale.reshape(shape)
    y = (x - mean) * factor
    return y if bias is None else y + bias.reshape(shape)
