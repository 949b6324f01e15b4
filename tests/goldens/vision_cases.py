"""How a case of the vision family is run and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from tests.goldens import adapters
from tests.goldens.errors import Errors, Outcome
from tests.goldens.reading import Reading, find, met
from tests.goldens.tolerances import Conditioning, cast, tolerance_of

TABLE = adapters.VISION
OUTPUTS = ("out/", "grad/", "feat/", "after/", "stat/")
DEMANDED = ("out/", "grad/")
# Of outputs that jump, the share of the numbers that float32 may decide otherwise, and
# how many of them at least: two histograms of 9 directions.
SPARE = 0.02
LEAST_SPARE = 18


def topic(case: dict) -> str:
    """What the adapter of a case is called."""
    return case["topic"]


def run(case: dict, arrays: Reading, parameters: Reading) -> Mapping[str, Any]:
    """The outputs of a case, under the names that its adapter gives."""
    return TABLE[topic(case)](arrays, parameters)


def check(case: dict, arrays: Mapping[str, np.ndarray], dtype: np.dtype) -> Outcome:
    """Runs a case in one precision and compares it."""
    given = {k: v for k, v in arrays.items() if not k.startswith(OUTPUTS)}
    parameters, errors = Reading(case["parameters"]), Errors()
    inputs = Reading(cast(given, dtype))
    out = run(case, inputs, parameters)
    errors.unread(adapters.not_read(topic(case)), parameters, inputs)

    def again(arrays):
        with jax.enable_x64(True):
            return run(case, Reading(arrays), parameters)

    rounding = Conditioning(again, given) if dtype == np.float32 else None
    skipped = adapters.skipped(topic(case))
    for name, wanted in arrays.items():
        if not name.startswith(OUTPUTS):
            continue
        got = find(out, name)
        if got is not None:
            _compare(errors, case, name, got, wanted, rounding)
        elif name.startswith(DEMANDED) and met(skipped, name) is None:
            errors.failures.append(f"{name} is not returned")
    return errors.outcome()


def _compare(errors, case, name, got, wanted, rounding: Conditioning | None) -> None:
    if name.startswith("stat/"):
        draws = case["parameters"].get("draws", 1)
        errors.statistic(name, got, wanted, draws)
        return
    precision = "float64" if rounding is None else "float32"
    if _coarse(case, wanted):
        precision = "float32"
    rtol, atol = tolerance_of(case["suggested_tolerance"], name, precision)
    floats = wanted.dtype.kind == "f" and wanted.size
    allowed = atol + rtol * (np.max(np.abs(wanted)).item() if floats else 0.0)
    more = rounding and (
        lambda error: rounding.allowed(lambda out: find(out, name), wanted, error)
    )
    jumps = rounding and met(adapters.JUMPS.get(topic(case), {}), name)
    spare = max(LEAST_SPARE, int(SPARE * wanted.size)) if jumps else 0
    errors.close(name, got, wanted, allowed, more, spare=min(spare, wanted.size - 1))


def _coarse(case: dict, wanted: np.ndarray) -> bool:
    """Whether a reference ran in float32: it is no more exact than that."""
    conventions = " ".join(case.get("conventions", ()))
    # Of several references, those that ran in float32 are stored so.
    partly = "ran in float32" in conventions and wanted.dtype == np.float32
    return partly or "run in float32" in conventions
