"""sslax: self-supervised learning for vision in JAX.

Pure losses and augmentations, Flax models, methods that are values, one sharded train
step. Submodules load on first use, so that `import sslax` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what `__getattr__` gives, for those that do not run it
    from sslax import (
        annotations,
        augment,
        calls,
        convert,
        core,
        data,
        evaluate,
        losses,
        memory,
        methods,
        models,
        nets,
        optim,
        plan,
        platforms,
        program,
        rates,
        results,
        schedules,
        sharding,
        step,
        train,
        views,
    )
    from sslax.calls import build
    from sslax.core import Aux, Method, Net, Objective, State
    from sslax.nets import (
        by_size,
        chain,
        each,
        features_of,
        fold,
        main_output,
        project_crops,
        readings,
        unfold,
    )
    from sslax.sharding import make_mesh
    from sslax.step import compile_step, init_state, train_step

__version__ = "0.1.0"

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

__all__ = [
    "Aux",
    "Method",
    "Net",
    "Objective",
    "State",
    "__version__",
    "annotations",
    "augment",
    "build",
    "by_size",
    "calls",
    "chain",
    "compile_step",
    "convert",
    "core",
    "data",
    "each",
    "evaluate",
    "features_of",
    "fold",
    "init_state",
    "losses",
    "main_output",
    "make_mesh",
    "memory",
    "methods",
    "models",
    "nets",
    "optim",
    "plan",
    "platforms",
    "program",
    "project_crops",
    "rates",
    "readings",
    "results",
    "schedules",
    "sharding",
    "step",
    "train",
    "train_step",
    "unfold",
    "views",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"sslax.{_NAMES[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"sslax.{name}")
    raise AttributeError(f"module 'sslax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
