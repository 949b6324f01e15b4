"""Configs as calls: `{"name": n, **kwargs}` is the call `namespace.n(**kwargs)`.

A nested mapping with a "name" is a call too, made first and passed as a value. The
signature of the function is the schema: there is no second place for a default.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["build", "nearest"]

# Where the arguments of a call are looked up when they are calls themselves.
_NESTED = {
    "methods": ("models", "schedules"),
    "models": ("models",),
    "optim": ("optim", "schedules"),
    "schedules": ("schedules",),
    "sharding": (),
    "views": ("views",),
}


def nearest(name: str, choices: Iterable[str]) -> str:
    """The end of an error message: the nearest choice, then all of them.

    Args:
      name: what was asked for.
      choices: what exists.

    Returns:
      For example `did you mean 'simclr'? The choices are: byol, simclr`.

    Example:
      >>> nearest("simclar", ["byol", "simclr"])
      "did you mean 'simclr'? The choices are: byol, simclr"
    """
    choices = sorted(choices)
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    start = f"did you mean {close[0]!r}? The" if close else "the"
    return f"{start} choices are: {', '.join(choices)}"


def build(spec: Mapping[str, Any], *namespaces: str) -> Any:
    """Makes the call that a config describes.

    Args:
      spec: a mapping with "name" and keyword arguments; nested calls are made first.
      *namespaces: submodules of sslax whose `__all__` is searched, in order:
        "methods", "models", "optim", "schedules", "sharding", "views".

    Returns:
      What the called function returns.

    Raises:
      ValueError: if the name or an argument is unknown, or one is missing; the message
        names it and the nearest valid choice.

    Example:
      >>> build({"name": "constant", "value": 0.5}, "schedules")(3)
      0.5
    """
    where = " or ".join(f"sslax.{n}" for n in namespaces)
    if "name" not in spec:
        raise ValueError(
            f"a call needs a 'name' to look up in {where}; got the fields {list(spec)}"
        )
    name = spec["name"]
    namespace, function = _look_up(name, namespaces, where)
    nested = _NESTED[namespace]
    kwargs = {k: _value(v, nested) for k, v in spec.items() if k != "name"}
    _check_arguments(name, function, kwargs)
    return function(**kwargs)


def _look_up(name: str, namespaces: tuple[str, ...], where: str):
    choices: list[str] = []
    for namespace in namespaces:
        module = importlib.import_module(f"sslax.{namespace}")
        if name in module.__all__:
            return namespace, getattr(module, name)
        choices += module.__all__
    raise ValueError(f"no {name!r} in {where}: {nearest(name, choices)}")


def _value(value: Any, namespaces: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        if "name" in value and namespaces:
            return build(value, *namespaces)
        return {k: _value(v, namespaces) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_value(v, namespaces) for v in value)
    return value


def _check_arguments(name: str, function: Callable[..., Any], kwargs: Mapping) -> None:
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for key in kwargs:
        if key not in parameters:
            raise ValueError(
                f"{name} has no argument {key!r}: {nearest(key, parameters)}"
            )
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty
        and p.kind is not p.VAR_POSITIONAL
        and p.name not in kwargs
    ]
    if missing:
        raise ValueError(f"{name} needs {', '.join(missing)}; got {sorted(kwargs)}")
