"""How far an output may lie from the stored one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# The unit roundoff of float32.
ROUNDOFF = 2.0**-24
# By how much the rounding within a function may outgrow that of its inputs. Of the
# residual networks, which need it, the largest ratio seen is 2.4.
GROWTH = 8
DRAWS = 8
# On the far side of a jump numbers are rounded as well.
SLACK = 1.1

Arrays = Mapping[str, np.ndarray]


class Conditioning:
    """How far rounding in float32 may move each output of a case.

    `run(arrays)` is the case in float64. An output may lie from the stored one by as
    much as the outputs of `run` do, at most, when every float among the inputs is moved
    by `GROWTH` parts in 2^24, up or down at random. There are `DRAWS` draws, each made
    only for an error that those before do not explain: where a unit is about to turn
    off, a gradient jumps, in some of the draws and perhaps in float32. That depends on
    the case alone, neither on the machine nor on how a function computes in float32:
    where cancellation, or batch statistics of a few numbers, make large differences of
    small ones, large ones are allowed. The manifest's tolerance is the floor, so that
    this is computed only for a case that exceeds it somewhere. A function that is wrong
    in float64 as well fails there.
    """

    def __init__(self, run: Callable[[Arrays], Mapping[str, Any]], arrays: Arrays):
        self._run, self._exact = run, cast(arrays, np.dtype("f8"))
        self._rng = np.random.default_rng(0)
        self._made: list[Mapping[str, Any]] = []

    def allowed(
        self, get: Callable[[Mapping[str, Any]], Any], wanted: Any, error: float
    ) -> float:
        """What rounding explains of what `get` takes of a run, up to `error`."""
        most = 0.0
        for draw in range(DRAWS):
            if draw == len(self._made):
                self._made.append(self._run(nudged(self._exact, self._rng)))
            moved = np.asarray(get(self._made[draw]), np.float64)
            most = max(most, SLACK * np.max(np.abs(moved - wanted)).item())
            if error <= most:
                break
        return most


def cast(arrays: Arrays, dtype: np.dtype) -> dict[str, np.ndarray]:
    """The arrays with every float in one precision."""
    return {k: x.astype(dtype) if x.dtype.kind == "f" else x for k, x in arrays.items()}


def nudged(arrays: Arrays, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The arrays with every float a little larger or smaller."""

    def nudge(x: np.ndarray) -> np.ndarray:
        signs = rng.integers(0, 2, x.shape) * 2 - 1
        return np.asarray(x * (1 + GROWTH * ROUNDOFF * signs))

    return {k: nudge(x) if x.dtype.kind == "f" else x for k, x in arrays.items()}


def tolerance_of(text: str, name: str, precision: str) -> tuple[float, float]:
    """Relative and absolute tolerance, from the sentence in the manifest of vision."""
    number = r"(\d+(?:\.\d+)?e-\d+)"
    pieces = [piece.strip() for piece in text.split(";")]
    if precision == "float64":
        wide = [p for p in pieces if p.startswith("float64")]
        if wide:
            value = float(re.findall(number, wide[0])[0])
            return value, value
    narrow = [p for p in pieces if not p.startswith("float64")]
    if "bicubic" in name and any(p.startswith("bicubic") for p in narrow):
        narrow = [p for p in narrow if p.startswith("bicubic")]
    rtol = re.search("rtol " + number, narrow[0])
    rtol = float(rtol[1]) if rtol else 0.0
    rest = re.sub("rtol " + number, "", narrow[0])
    atol = max([float(x) for x in re.findall(number, rest)], default=1e-6)
    return rtol, atol
