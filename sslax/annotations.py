"""What the annotations of a function say, for calls that are written in configs."""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["alternatives", "hints_of", "item_of", "mapping_of"]


@functools.lru_cache(maxsize=1024)
def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function by parameter, and of what it returns.

    Args:
      function: any function, wrapped or partly applied ones too.

    Returns:
      Types by the names of parameters, and "return"; what has none is left out.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # built into Python
        return {}
    hints = {p.name: p.annotation for p in signature.parameters.values()}
    hints["return"] = signature.return_annotation
    inner = inspect.unwrap(function)
    inner = inner.func if isinstance(inner, functools.partial) else inner
    found = {}
    for name, hint in hints.items():
        holder = types.SimpleNamespace(__annotations__={name: hint})
        # What names a type that is imported for type checkers alone counts as bare.
        with contextlib.suppress(NameError, TypeError, AttributeError):
            found |= typing.get_type_hints(holder, getattr(inner, "__globals__", {}))
    return {k: v for k, v in found.items() if v is not inspect.Signature.empty}


def alternatives(hint: Any) -> tuple[Any, ...]:
    """What an annotation allows: the members of a union, or itself alone.

    Args:
      hint: an annotation.

    Returns:
      Types.

    Example:
      >>> alternatives(int | None)
      (<class 'int'>, <class 'NoneType'>)
    """
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def mapping_of(hint: Any) -> Any:
    """The class of mappings that an annotation is, or None.

    Args:
      hint: an annotation.

    Returns:
      `dict`, `Mapping` or another class, or None.

    Example:
      >>> mapping_of(dict[str, int])
      <class 'dict'>
    """
    origin = typing.get_origin(hint) or hint
    mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    return origin if mapping else None


def item_of(hints: tuple[Any, ...], index: int) -> Any:
    """What an item of a sequence is annotated with.

    Args:
      hints: alternatives, of which the first sequence counts.
      index: of the item, for tuples of several types.

    Returns:
      A type, `Any` where there is none.

    Example:
      >>> item_of((tuple[int, str],), 1)
      <class 'str'>
    """
    for hint in hints:
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if not isinstance(origin, type) or not issubclass(origin, Sequence):
            continue
        if origin is tuple and args and args[-1] is not Ellipsis:
            return args[index] if index < len(args) else Any
        return args[0] if args else Any
    return Any
