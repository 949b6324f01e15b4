"""sslax: self-supervised learning for vision in JAX.

Pure losses and augmentations, Flax models, methods that are values, one sharded train
step. Submodules load on first use, so that `import sslax` stays light.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_SUBMODULES = (
    "annotations",
    "augment",
    "calls",
    "convert",
    "core",
    "data",
    "evaluate",
    "losses",
    "memory",
    "methods",
    "models",
    "nets",
    "optim",
    "plan",
    "platforms",
    "program",
    "rates",
    "schedules",
    "sharding",
    "step",
    "train",
    "views",
)
_NAMES = {
    "Aux": "core",
    "Method": "core",
    "Net": "core",
    "Objective": "core",
    "State": "core",
    "chain": "nets",
    "fold": "nets",
    "by_size": "nets",
    "each": "nets",
    "features_of": "nets",
    "main_output": "nets",
    "project_crops": "nets",
    "readings": "nets",
    "unfold": "nets",
    "compile_step": "step",
    "init_state": "step",
    "train_step": "step",
    "make_mesh": "sharding",
    "build": "calls",
}

__all__ = ["__version__", *_SUBMODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"sslax.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"sslax.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'sslax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
