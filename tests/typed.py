"""Types are checked at run time at the least cost that checks all of them."""

from __future__ import annotations

import inspect
import typing

import jaxtyping

_jaxtyped = jaxtyping.jaxtyped


def check_cheaply() -> None:
    """Gives the import hook a decorator that wraps what needs it, as it needs it.

    The hook's own one binds the arguments of every call, and has them checked twice, so
    that axes of arrays agree between them and the result. Of functions that name no
    shape, the type checker alone finds the same; of those without any type there is
    nothing to check. Helpers called for every leaf of a tree are of these two kinds:
    with wrappers around them, tracing took a third longer.
    """
    jaxtyping.jaxtyped = _checked


def _checked(*args, **kwargs):
    decorate = _jaxtyped(*args, **kwargs)
    if args:
        return decorate

    def checked(fn):
        if not inspect.isfunction(fn):
            return decorate(fn)
        if not fn.__annotations__:
            return fn
        if inspect.isgeneratorfunction(fn) or _names_shapes(fn):
            return decorate(fn)
        return _alone(kwargs["typechecker"], fn)

    return checked


def _alone(typechecker, fn):
    """The type checker's wrapper; what it makes of annotations stays its own."""
    written = dict(fn.__annotations__)
    wrapper = typechecker(fn)
    for each in (fn, wrapper):
        each.__annotations__ = dict(written)
    return wrapper


def _names_shapes(fn) -> bool:
    try:
        hints = typing.get_type_hints(fn)
    except Exception:  # a name that only type checkers know, or of an outer function
        return True
    return any(map(_has_shape, hints.values()))


def _has_shape(hint) -> bool:
    if isinstance(hint, list):
        return any(map(_has_shape, hint))
    if type(hint).__module__.startswith("jaxtyping"):
        return True
    return any(map(_has_shape, typing.get_args(hint)))
