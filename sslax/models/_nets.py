"""From a Flax module to a net: two pure functions."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from sslax.checks import check_choice
from sslax.core import Net

__all__ = ["Selected", "check_widths", "compute_dtype", "from_linen", "named", "select"]

# What `output` asks for: one array, or several by name.
Selected = Array | dict[str, Array]

_Factory = TypeVar("_Factory", bound=Callable[..., Net])

_DTYPES = ("float32", "bfloat16", "float16", "float64")


def from_linen(module: nn.Module) -> Net:
    """Turns a Flax Linen module into a `Net`.

    A module whose field `output` holds several names gives a dict with these. The
    module's `__call__` must take `train` by keyword; one whose output depends on
    the order of the batch (batch norm in groups) takes `order` too. Parameters are the
    collection "params"; every other collection (running statistics) is in `stats`,
    which changes only under `train=True`. `key` feeds the random stream "dropout";
    without a key the layers of sslax drop nothing, in training too. With `order`, a
    permutation `[n]`, the output is that of the batch in this order, put back in its
    own: only batch norm in groups sees a difference.

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
        inputs = jax.tree.map(jnp.asarray, inputs)  # host arrays are welcome
        variables = dict(module.init(key, *inputs, train=False))
        params = variables.pop("params", {})
        return params, variables

    ordered = "order" in inspect.signature(type(module).__call__).parameters

    def apply(params, stats, *inputs, train=False, key=None, order=None):
        inputs = jax.tree.map(jnp.asarray, inputs)
        rngs = None if key is None else {"dropout": key}
        variables, options = {"params": params, **stats}, {"train": train}
        options |= {"order": order} if ordered else {}
        if not train:
            return module.apply(variables, *inputs, **options, rngs=rngs), stats
        out, new = module.apply(
            variables, *inputs, **options, rngs=rngs, mutable=list(stats)
        )
        return out, dict(new)

    names = getattr(module, "output", ())
    return Net(init, apply, () if isinstance(names, str) else tuple(names or ()))


def check_widths(**widths: int) -> None:
    """Raises if a width that a network is to have is not a positive whole number."""
    for name, width in widths.items():
        if not isinstance(width, int) or width < 1:
            raise ValueError(f"{name} must be at least 1; got {width}")


def compute_dtype(name: Any) -> Any:
    """The dtype to compute in; None stays None: that of inputs and parameters."""
    if name is None:
        return None
    check_choice(_DTYPES, dtype=name if isinstance(name, str) else str(jnp.dtype(name)))
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


def named(build: Callable[..., Net], factory: _Factory, **given: Any) -> _Factory:
    """A factory with some arguments given shows the others, as if written out.

    Args:
      build: calls `factory` with what is given and its own `**options`; its docstring
        has no section "Args", which comes from the factory's.
      factory: the function that it calls.
      **given: the arguments that are no longer open.

    Returns:
      `build`, with a signature, annotations and a docstring; `func` and `keywords` are
      the factory and what is given, as in `functools.partial`.
    """
    hints = typing.get_type_hints(factory)
    open_ = [
        p.replace(annotation=hints[p.name])
        for p in inspect.signature(factory).parameters.values()
        if p.name not in given
    ]
    text = inspect.getdoc(factory) or ""
    section = text[text.index("Args:") : text.index("Returns:")]
    for left_out in given:
        section = re.sub(rf"  {left_out}:.*\n(    .*\n)*", "", section)
    dressed: Any = build
    dressed.__signature__ = inspect.Signature(open_, return_annotation=Net)
    dressed.__annotations__ = {p.name: p.annotation for p in open_} | {"return": Net}
    dressed.__doc__ = inspect.getdoc(build).replace("Returns:", section + "Returns:")
    dressed.func, dressed.keywords = factory, given
    return dressed
