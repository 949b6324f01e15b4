"""The pages of the public modules: a list of names, which Sphinx fills in."""

from __future__ import annotations

import importlib
import inspect

MODULES = [
    "core",
    "nets",
    "step",
    "losses",
    "augment",
    "views",
    "models",
    "methods",
    "memory",
    "schedules",
    "optim",
    "sharding",
    "data",
    "evaluate",
    "evaluate.tasks",
    "environments",
    "convert",
    "plan",
]


def page(name: str) -> str:
    """The page of a module, as if it were the file `docs/reference/NAME.md`."""
    module = importlib.import_module(f"sslax.{name}")
    lines = [f"# sslax.{name}", "", inspect.getdoc(module) or "", "", "```{eval-rst}"]
    for public in module.__all__:
        value, path = getattr(module, public), f"sslax.{name}.{public}"
        if inspect.isclass(value):
            lines += [f".. autoclass:: {path}", ""]
        elif callable(value):
            lines += [f".. autofunction:: {path}", ""]
        else:
            lines += [f".. py:data:: {path}", ""]
    return "\n".join([*lines, "```"]) + "\n"
