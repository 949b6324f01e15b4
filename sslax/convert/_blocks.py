"""Transformer blocks one by one, or stacked as `scan=True` keeps them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

__all__ = ["as_list", "as_stack"]

_STACK = "Scan_Scanned_0"


def as_stack(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with blocks `blocks_0`, `blocks_1`, ... stacked into one."""
    names = sorted(filter(_is_block, params), key=lambda name: int(name[7:]))
    blocks = [params[name] for name in names]
    block = jax.tree.map(lambda *leaves: np.stack(leaves), *blocks)
    rest = {k: v for k, v in params.items() if not _is_block(k)}
    return {**rest, _STACK: {"block": block}}


def as_list(params: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `as_stack`; other parameters pass as they are."""
    if _STACK not in params:
        return dict(params)
    block = params[_STACK]["block"]
    depth = len(jax.tree.leaves(block)[0])
    rest = {k: v for k, v in params.items() if k != _STACK}
    blocks = {
        f"blocks_{i}": jax.tree.map(lambda leaf, i=i: leaf[i], block)
        for i in range(depth)
    }
    return {**rest, **blocks}


def _is_block(name: str) -> bool:
    return re.fullmatch(r"blocks_\d+", name) is not None
