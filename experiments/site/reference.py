"""The pages of the public modules: lists of names, whose docstrings Sphinx fills in."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType

from experiments.site import docstrings

MODULES = (
    *("core", "nets", "step", "losses", "augment", "views", "models", "methods"),
    *("memory", "schedules", "optim", "sharding", "data", "evaluate", "evaluate.tasks"),
    *("environments", "convert", "plan"),
)


def page(name: str) -> str:
    """The page of a module, as if it were the file `docs/reference/NAME.md`."""
    module = importlib.import_module(f"sslax.{name}")
    lines = [f"# sslax.{name}", "", inspect.getdoc(module) or "", ""]
    lines += [_row(module, public) for public in module.__all__]
    lines += ["", "```{eval-rst}"]
    for public in module.__all__:
        lines += [f".. {_kind(module, public)}:: sslax.{name}.{public}", ""]
    return "\n".join([*lines, "```"]) + "\n"


def _row(module: ModuleType, public: str) -> str:
    """The name as a link, with the first line of what it does."""
    value = getattr(module, public)
    told = f": {docstrings.summary(value)}" if callable(value) else ""
    return f"- {{py:obj}}`~{module.__name__}.{public}`{told}"


def _kind(module: ModuleType, public: str) -> str:
    """The directive that documents a name."""
    value = getattr(module, public)
    if inspect.isclass(value):
        return "autoclass"
    return "autofunction" if callable(value) else "py:data"
