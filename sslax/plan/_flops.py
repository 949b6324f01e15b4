"""Floating-point operations of a program, counted in its jaxpr.

XLA counts the body of a loop once; here a scan counts as often as it runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend import core as jex_core

__all__ = ["Flops", "count_flops", "jaxprs_in"]


class Flops(NamedTuple):
    """Operations of a program, of all devices together.

    Attributes:
      half: of products of 16-bit numbers.
      single: of products of float32 at default precision.
      highest: of products of float32 at higher precision.
      other: of everything that is not a matrix product or convolution.
    """

    half: float = 0.0
    single: float = 0.0
    highest: float = 0.0
    other: float = 0.0

    @property
    def products(self) -> float:
        """Of all matrix products and convolutions."""
        return self.half + self.single + self.highest

    @property
    def total(self) -> float:
        """Of everything."""
        return self.products + self.other

    def plus(self, more: Flops, *, times: float = 1.0) -> Flops:
        """The sum with so many times another."""
        return Flops(*(a + times * b for a, b in zip(self, more, strict=True)))


def count_flops(program: Any, *, tile: int = 1) -> Flops:
    """Counts the operations of a jaxpr, loops as often as they run.

    Args:
      program: a jaxpr, as `jax.make_jaxpr` or `jitted.trace(...).jaxpr` give it.
      tile: side of the matrix unit; contractions and the narrower sides of products are
        rounded up to it. 1 counts what is asked for, not what the unit does.

    Returns:
      The operations. Of a `cond` the dearest branch counts; a `while` whose number of
      turns cannot be read counts once.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> jaxpr = jax.make_jaxpr(jnp.matmul)(jnp.ones((2, 3)), jnp.ones((3, 5)))
      >>> count_flops(jaxpr).products
      60.0
    """
    jaxpr = getattr(program, "jaxpr", program)
    found = Flops()
    for equation in jaxpr.eqns:
        found = found.plus(_equation(equation, tile))
    return found


def _equation(equation: Any, tile: int) -> Flops:
    name = equation.primitive.name
    if name in _SPECIAL:
        return _SPECIAL[name](equation, tile)
    inner = list(jaxprs_in(equation.params.values()))
    if inner:
        total = Flops()
        for jaxpr in inner:
            total = total.plus(count_flops(jaxpr, tile=tile))
        return total
    return Flops(other=_elementwise(name, equation))


def jaxprs_in(values: Iterable[Any]) -> Iterator[Any]:
    """The jaxprs among the parameters of an equation."""
    for value in values:
        if isinstance(value, (jex_core.Jaxpr, jex_core.ClosedJaxpr)):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from jaxprs_in(value)


_COUNTED = frozenset(
    (
        "add",
        "add_any",
        "sub",
        "mul",
        "div",
        "rem",
        "max",
        "min",
        "neg",
        "abs",
        "sign",
        "floor",
        "ceil",
        "round",
        "select_n",
        "clamp",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "and",
        "or",
        "xor",
        "not",
        "shift_left",
        "shift_right_logical",
        "shift_right_arithmetic",
        "is_finite",
        "integer_pow",
        "square",
        "convert_element_type",
        "nextafter",
        "population_count",
    )
)
_REDUCED = frozenset(
    (
        "reduce_sum",
        "reduce_max",
        "reduce_min",
        "reduce_prod",
        "reduce_and",
        "reduce_or",
        "argmax",
        "argmin",
        "cumsum",
        "cumprod",
        "cummax",
        "cumlogsumexp",
    )
)


def _elementwise(name: str, equation: Any) -> float:
    if name in _COUNTED:
        return float(math.prod(equation.outvars[0].aval.shape))
    if name in _REDUCED:
        return float(math.prod(equation.invars[0].aval.shape))
    return 0.0


def _up(n: int, tile: int) -> int:
    return -(-n // tile) * tile


def _product(equation: Any, groups: float, m: int, n: int, k: int, tile: int) -> Flops:
    """One kind of Flops for `groups` products of m x k and k x n."""
    long, narrow = max(m, n), min(m, n)
    flops = 2.0 * groups * long * _up(narrow, tile) * _up(k, tile)
    dtype = equation.invars[0].aval.dtype
    if dtype.itemsize <= 2:
        return Flops(half=flops)
    precision = equation.params.get("precision")
    default = (None, jax.lax.Precision.DEFAULT)
    several = precision if isinstance(precision, tuple) else (precision,)
    if all(p in default for p in several):
        return Flops(single=flops)
    return Flops(highest=flops)


def _dot(equation: Any, tile: int) -> Flops:
    (left, right), (batch, _) = equation.params["dimension_numbers"]
    a, b = (v.aval.shape for v in equation.invars[:2])
    k = math.prod(a[i] for i in left)
    groups = math.prod(a[i] for i in batch)
    m = math.prod(a) // max(k * groups, 1)
    n = math.prod(b) // max(k * groups, 1)
    del right
    return _product(equation, groups, m, n, k, tile)


def _convolution(equation: Any, tile: int) -> Flops:
    p = equation.params
    numbers = p["dimension_numbers"]
    image, kernel = (v.aval.shape for v in equation.invars[:2])
    out = equation.outvars[0].aval.shape
    taps = 1.0  # pairs of an output place and a tap that falls on the input
    for axis, (low, _) in enumerate(p["padding"]):
        taps *= _taps(
            size=image[numbers.lhs_spec[2 + axis]],
            window=kernel[numbers.rhs_spec[2 + axis]],
            places=out[numbers.out_spec[2 + axis]],
            stride=p["window_strides"][axis],
            low=low,
            spread=p["lhs_dilation"][axis],
            gap=p["rhs_dilation"][axis],
        )
    places = math.prod(out[i] for i in numbers.out_spec[2:])
    area = math.prod(kernel[i] for i in numbers.rhs_spec[2:])
    valid = taps / max(places * area, 1)
    groups = p["feature_group_count"] * p["batch_group_count"]
    features = kernel[numbers.rhs_spec[0]] // groups
    inputs = kernel[numbers.rhs_spec[1]]
    rows = out[numbers.out_spec[0]] * places
    return _product(equation, groups * valid, rows, features, area * inputs, tile)


def _taps(*, size, window, places, stride, low, spread, gap) -> float:
    at = np.arange(places)[:, None] * stride - low + np.arange(window)[None, :] * gap
    inside = (at >= 0) & (at <= (size - 1) * spread) & (at % spread == 0)
    return float(inside.sum())


def _scan(equation: Any, tile: int) -> Flops:
    body = count_flops(equation.params["jaxpr"], tile=tile)
    return Flops().plus(body, times=equation.params["length"])


def _while(equation: Any, tile: int) -> Flops:
    body = count_flops(equation.params["body_jaxpr"], tile=tile)
    return Flops().plus(body, times=_turns(equation))


def _turns(equation: Any) -> int:
    """Turns of `while i < n: i += 1` with known bounds; else 1."""
    condition = equation.params["cond_jaxpr"]
    if [e.primitive.name for e in condition.jaxpr.eqns] != ["lt"]:
        return 1
    consts = equation.params["cond_nconsts"] + equation.params["body_nconsts"]
    carried = condition.jaxpr.invars[equation.params["cond_nconsts"] :]
    index, bound = condition.jaxpr.eqns[0].invars
    if index not in carried:
        return 1
    first = equation.invars[consts + carried.index(index)]
    last = bound
    if bound in carried:
        last = equation.invars[consts + carried.index(bound)]
    values = [getattr(v, "val", None) for v in (first, last)]
    if None in values:
        return 1
    return max(0, int(values[1]) - int(values[0]))


def _cond(equation: Any, tile: int) -> Flops:
    branches = [count_flops(b, tile=tile) for b in equation.params["branches"]]
    return max(branches, key=lambda flops: flops.total)


def _shard_map(equation: Any, tile: int) -> Flops:
    one = count_flops(equation.params["jaxpr"], tile=tile)
    return Flops().plus(one, times=equation.params["mesh"].size)


def _pallas(equation: Any, tile: int) -> Flops:
    one = count_flops(equation.params["jaxpr"], tile=tile)
    return Flops().plus(one, times=math.prod(equation.params["grid_mapping"].grid))


def _cudnn(equation: Any, tile: int) -> Flops:
    """Two products forwards; backwards the first again, and two for each of them."""
    b, n, heads, d = equation.invars[0].aval.shape
    products = 2 if "fwd" in equation.primitive.name else 5
    return Flops(half=products * 2.0 * b * heads * n * _up(n, tile) * _up(d, tile))


def _custom(equation: Any, tile: int) -> Flops:
    name = "call_jaxpr" if "call_jaxpr" in equation.params else "fun_jaxpr"
    return count_flops(equation.params[name], tile=tile)


_SPECIAL: dict[str, Callable[[Any, int], Flops]] = {
    "dot_general": _dot,
    "conv_general_dilated": _convolution,
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "shard_map": _shard_map,
    "pallas_call": _pallas,
    "dot_product_attention_fwd_wrapper": _cudnn,
    "dot_product_attention_bwd_wrapper": _cudnn,
    "custom_jvp_call": _custom,
    "custom_vjp_call": _custom,
    "custom_vjp_call_jaxpr": _custom,
}
