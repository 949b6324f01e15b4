"""Adapters from stored training steps to public sslax functions, one file a method.

`TRAJECTORIES[method](case) -> {"loss": [...], "final": {name: array}, ...}`: a case is
the entry of the manifest with its "arrays", initial state and inputs of every step. An
adapter builds method, optimizers and schedules from them, runs `sslax.step.train_step`
and returns the losses and the final state under the stored names; other keys are lists
of a number a step.

A module here may also have tables {method: {pattern of names: reason}}: `SKIPPED`, what
is not compared; `NOT_READ`, what need not be read; `UNDETERMINED`, what has no gradient
in exact arithmetic, so that an optimizer which divides by the gradient's size moves it
by rounding errors. The last is not compared in float32; of a fused bias of query, key,
and value only the key's part is left out. `STRAYING`, {method: reason}: whose losses
and state may in float32 lie as far off as those of the reference in float32 do.
"""

from __future__ import annotations

import importlib
import pkgutil

_MODULES = [
    importlib.import_module(f"{__name__}.{module.name}")
    for module in pkgutil.iter_modules(__path__)
]


def _joined(table: str) -> dict:
    return {k: v for m in _MODULES for k, v in getattr(m, table, {}).items()}


TRAJECTORIES = _joined("TRAJECTORIES")
SKIPPED = _joined("SKIPPED")
NOT_READ = _joined("NOT_READ")
UNDETERMINED = _joined("UNDETERMINED")
STRAYING = _joined("STRAYING")
