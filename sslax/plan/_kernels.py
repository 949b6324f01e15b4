"""Kernels of attention in a program."""

from __future__ import annotations

from typing import Any

from sslax.plan._flops import jaxprs_in

__all__ = ["calls_kernels"]

_KERNELS = (
    "pallas_call",
    "dot_product_attention_fwd_wrapper",
    "dot_product_attention_bwd_wrapper",
)


def calls_kernels(program: Any) -> bool:
    """Whether attention is a kernel somewhere, which computes more than was asked.

    Args:
      program: a jaxpr.

    Returns:
      Whether it, or a function that it calls, has such an equation.
    """
    for equation in getattr(program, "jaxpr", program).eqns:
        if equation.primitive.name in _KERNELS:
            return True
        if any(map(calls_kernels, jaxprs_in(equation.params.values()))):
            return True
    return False
