"""The text of a command line as a value of the type that a field wants."""

from __future__ import annotations

import ast
import typing
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any

from sslax.calls import nearest

__all__ = ["literal", "typed"]

_WORDS = {
    "none": None,
    "true": True,
    "false": False,
    "yes": True,
    "no": False,
    "on": True,
    "off": False,
}


def literal(text: str) -> Any:
    """What a text says: a number, a word such as `none`, a tuple, a call, or itself.

    Args:
      text: as it was typed.

    Returns:
      The value; the text where it is nothing else.

    Example:
      >>> literal("1e-3"), literal("none"), literal("(0.2, 1)"), literal("resnet50")
      (0.001, None, (0.2, 1), 'resnet50')
      >>> literal("dict(name='sgd', learning_rate=0.1)")
      {'name': 'sgd', 'learning_rate': 0.1}
    """
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return _evaluated(ast.parse(text.strip(), mode="eval").body)
    except (ValueError, SyntaxError, RecursionError, TypeError):
        return text


def typed(text: str, hint: Any, where: str) -> Any:
    """A text as the type that a field is annotated with.

    Args:
      text: as it was typed.
      hint: the annotation: a type, a union of some, `Literal`, or Any.
      where: the field, for the message.

    Returns:
      The value.

    Raises:
      ValueError: if the text says something else; it names the field and what it takes.

    Example:
      >>> typed("384", int | None, "data.canvas"), typed("7", str, "data.name")
      (384, '7')
      >>> typed("knn", tuple[str, ...], "evaluate.online")
      ('knn',)
    """
    value, choices = literal(text), sorted(_choices(hint), key=_order)
    for choice in choices:
        found, fits = _as(choice, value, text)
        if fits:
            return found
    words = " or ".join(dict.fromkeys(_word(choice) for choice in choices))
    if len(choices) == 1 and typing.get_origin(hint) is typing.Literal:
        words = nearest(text, map(str, typing.get_args(hint)))
        raise ValueError(f"--config.{where}={text}: {words}")
    raise ValueError(f"--config.{where}={text}: it takes {words}; got {text!r}")


def _evaluated(node: ast.expr) -> Any:
    """A literal, in which `dict(a=1)` may stand for `{"a": 1}`."""
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id != "dict" or node.args:
            raise ValueError("no literal")
        return {str(k.arg): _evaluated(k.value) for k in node.keywords}
    if isinstance(node, ast.Tuple):
        return tuple(map(_evaluated, node.elts))
    if isinstance(node, ast.List):
        return list(map(_evaluated, node.elts))
    if isinstance(node, ast.Dict):
        keys = [_evaluated(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(_evaluated, node.values), strict=True))
    return ast.literal_eval(node)


def _choices(hint: Any) -> list[Any]:
    if typing.get_origin(hint) in (typing.Union, UnionType):
        return [one for part in typing.get_args(hint) for one in _choices(part)]
    if hint is None:
        return [NoneType]
    return [hint]


def _order(hint: Any) -> int:
    """A text may be many a word, and a call any name: they are tried late."""
    order = (NoneType, bool, int, float, str, tuple, list, Sequence, dict, Mapping)
    origin = typing.get_origin(hint) or hint
    if origin is typing.Literal or hint is Any:
        return 0
    return order.index(origin) if origin in order else len(order)


def _as(hint: Any, value: Any, text: str) -> tuple[Any, bool]:
    """The value as one type, and whether it can be that."""
    origin = typing.get_origin(hint) or hint
    if hint is Any:
        return value, True
    if origin is typing.Literal:
        options = typing.get_args(hint)
        return (value, True) if value in options else (text, text in options)
    if origin is str:
        several = isinstance(value, (tuple, list, dict))
        return (value if isinstance(value, str) else text), not several
    if origin is NoneType:
        return None, value is None
    if origin is bool:
        return value, isinstance(value, bool)
    if isinstance(value, bool) or value is None:
        return value, False
    if origin is int:
        whole = isinstance(value, float) and value.is_integer()
        return (int(value), True) if whole else (value, isinstance(value, int))
    if origin is float:
        fits = isinstance(value, (int, float))
        return (float(value) if fits else value), fits
    if origin in (tuple, list, Sequence):
        return _as_items(hint, value)
    if origin in (dict, Mapping):
        return value, isinstance(value, dict)
    # What a call gives: the call, or a name that stands for one without arguments.
    if isinstance(value, str):
        return {"name": value}, value.replace(":", ".").replace(".", "_").isidentifier()
    return value, _is_call(value)


def _as_items(hint: Any, value: Any) -> tuple[Any, bool]:
    if isinstance(value, dict):
        return value, False
    items = value if isinstance(value, (tuple, list)) else (value,)
    arguments = typing.get_args(hint)
    numbers = {a for a in arguments if a in (int, float, str)}
    if numbers == {float}:
        fits = all(isinstance(x, (int, float)) for x in items)
        return tuple(float(x) if fits else x for x in items), fits
    if len(numbers) == 1:
        return tuple(items), all(isinstance(x, numbers.copy().pop()) for x in items)
    named = next((a for a in arguments if _is_made(a)), None)
    if named is not None:  # the name of a call stands for one without arguments
        made = [_as(named, x, x) if isinstance(x, str) else (x, True) for x in items]
        return tuple(x for x, _ in made), all(fits for _, fits in made)
    return tuple(items), True


def _is_made(hint: Any) -> bool:
    """Whether it is a class of ours, whose values calls give."""
    return isinstance(hint, type) and hint.__module__ != "builtins"


def _is_call(value: Any) -> bool:
    return isinstance(value, dict) and "name" in value


def _word(hint: Any) -> str:
    words = {
        NoneType: "none",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
    }
    origin = typing.get_origin(hint) or hint
    if hint in words:
        return words[hint]
    if origin is typing.Literal:
        return " or ".join(map(str, typing.get_args(hint)))
    if origin in (tuple, list, Sequence):
        return "a tuple such as (0.2, 1.0)"
    return "a call such as dict(name='...', ...)"
