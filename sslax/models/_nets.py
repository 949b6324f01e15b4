"""From a Flax module to a net: two pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from sslax.core import Net

__all__ = ["compute_dtype", "from_linen", "select"]

_DTYPES = ("float32", "bfloat16", "float16", "float64")


def from_linen(module: nn.Module) -> Net:
    """Turns a Flax Linen module into a `Net`.

    The module's `__call__` must take `train` by keyword. Parameters are the collection
    "params"; every other collection (running statistics) is in `stats`, which changes
    only under `train=True`. `key` feeds the random stream "dropout".

    Args:
      module: an unbound Linen module; it may take any number of inputs.

    Returns:
      `Net(init, apply)`.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> import flax.linen as nn
      >>> class Double(nn.Module):
      ...     @nn.compact
      ...     def __call__(self, x, *, train=False):
      ...         return 2 * x * self.param("scale", nn.initializers.ones, ())
      >>> net = from_linen(Double())
      >>> params, stats = net.init(jax.random.key(0), jnp.ones(3))
      >>> net.apply(params, stats, jnp.ones(3))[0].tolist()
      [2.0, 2.0, 2.0]

    References:
      Heek et al., "Flax: A neural network library and ecosystem for JAX", 2020.
    """

    def init(key, *inputs):
        variables = dict(module.init(key, *inputs, train=False))
        params = variables.pop("params", {})
        return params, variables

    def apply(params, stats, *inputs, train=False, key=None):
        rngs = None if key is None else {"dropout": key}
        variables = {"params": params, **stats}
        if not train:
            return module.apply(variables, *inputs, train=False, rngs=rngs), stats
        out, new = module.apply(
            variables, *inputs, train=True, rngs=rngs, mutable=list(stats)
        )
        return out, dict(new)

    return Net(init, apply)


def compute_dtype(name: Any) -> Any:
    """The dtype to compute in; None stays None: that of inputs and parameters."""
    if name is None:
        return None
    if str(jnp.dtype(name) if not isinstance(name, str) else name) not in _DTYPES:
        raise ValueError(f"dtype is {name!r}; expected None or one of {_DTYPES}")
    return jnp.dtype(name)


def select(outputs: Mapping[str, Any], names: str | Sequence[str]) -> Any:
    """One output by its name, or a dict of several."""
    for name in [names] if isinstance(names, str) else names:
        if name not in outputs:
            raise ValueError(
                f"output {name!r} is unknown; this net has {', '.join(outputs)}"
            )
    if isinstance(names, str):
        return outputs[names]
    return {name: outputs[name] for name in names}
