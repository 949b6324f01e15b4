"""Configs as calls: `{"name": n, **kwargs}` is the call `n(**kwargs)`.

Looked up is `n` among the public functions whose return annotation is the kind that is
wanted. A nested mapping with a "name" is a call of the kind that the parameter is
annotated with. The signature is the schema: a default has no second place.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sslax.annotations import alternatives, hints_of, item_of, mapping_of

__all__ = ["arguments", "build", "function", "nearest"]

# Which module has the functions that give a kind.
_HOMES = {
    "sslax.core:Method": "sslax.methods",
    "sslax.core:Net": "sslax.models",
    "sslax.kinds:View": "sslax.views",
    "sslax.kinds:Mask": "sslax.views",
    "sslax.kinds:Builder": "sslax.views",
    "optax:GradientTransformation": "sslax.optim",
    "sslax.schedules:Schedule": "sslax.schedules",
    "sslax.sharding:Rule": "sslax.sharding",
    "sslax.data:Source": "sslax.data",
    "sslax.environments:Environment": "sslax.environments",
    "sslax.data:Tokenizer": "sslax.data",
    "sslax.evaluate.tasks:Task": "sslax.evaluate.tasks",
    "sslax.train.feed:Feeder": "sslax.train.feeds",
}


class _Kind(NamedTuple):
    """A kind: its type, its name in messages, and where its functions are."""

    type: Any
    name: str
    home: str


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


def build(spec: Mapping[str, Any] | str, kind: Any) -> Any:
    """Makes the call that a config describes.

    Args:
      spec: a mapping with "name" and keyword arguments; nested calls are made first. A
        name is that of a public function of sslax, or `package.module:function` for any
        other that can be imported. For a source, its short form will do, as a string.
      kind: the type of what is wanted: `core.Method`, `core.Net`, `kinds.Builder`,
        `kinds.View`, `kinds.Mask`, `schedules.Schedule`, `sharding.Rule`,
        `optax.GradientTransformation`, `data.Source`, `data.Tokenizer`,
        `environments.Environment`, `evaluate.tasks.Task` or `train.feed.Feeder`.

    Returns:
      What the called function returns.

    Raises:
      ValueError: if the name or an argument is unknown, one is missing, or a call gives
        another kind than the wanted one; the message names it and the nearest valid
        choice.

    Example:
      >>> from sslax.schedules import Schedule
      >>> build({"name": "constant", "value": 0.5}, Schedule)(3)
      0.5
    """
    found = _kind_of(kind)
    if found is None:
        raise ValueError(f"{kind!r} is no kind of what calls give: {list(_HOMES)}")
    return _call(spec, [found], "")


def arguments(name: str, hint: Any) -> dict[str, Any]:
    """The arguments that a call can have.

    Args:
      name: of the called function.
      hint: what the call stands for is annotated with; Any for any kind.

    Returns:
      Annotations by name, Any where there is none; ValueError without such a function.
    """
    hints = hints_of(called := function(name, hint))
    return {p: hints.get(p, Any) for p in inspect.signature(called).parameters}


def function(name: str, hint: Any) -> Callable[..., Any]:
    """The function that a call names.

    Args:
      name: of the called function.
      hint: what the call stands for is annotated with; Any for any kind.

    Returns:
      The function; ValueError if there is none.
    """
    kinds = [kind for kind in map(_kind_of, alternatives(hint)) if kind] or _kinds()
    return _look_up(name, kinds, "the config")


def _kinds() -> list[_Kind]:
    """The kinds that there can be values of: those whose module is imported."""
    found = []
    for place, home in _HOMES.items():
        module, _, name = place.partition(":")
        if hasattr(sys.modules.get(module), name):
            found.append(_Kind(getattr(sys.modules[module], name), name, home))
    return found


def _kind_of(hint: Any) -> _Kind | None:
    """The kind that an annotation is, or None."""
    return next((kind for kind in _kinds() if _is(hint, kind.type)), None)


def _is(hint: Any, kind: Any) -> bool:
    if isinstance(hint, type) and isinstance(kind, type):
        return issubclass(hint, kind)
    return hint == kind


def _call(spec: Mapping[str, Any] | str, kinds: Sequence[_Kind], place: str) -> Any:
    wants = f"{place or 'the call'} wants a {_or(kinds)}"
    if isinstance(spec, str):
        spec = _parsed(spec, kinds, wants)
    name = spec.get("name")
    if "name" not in spec:
        raise ValueError(f"{wants}: it needs a 'name'; got the fields {list(spec)}")
    if not isinstance(name, str):
        raise ValueError(f"the name of a call is a string; got {name!r}")
    function = _look_up(name, kinds, wants)
    hints = hints_of(function)
    _check_arguments(name, function, [k for k in spec if k != "name"])
    kwargs = {
        key: _value(value, hints.get(key, Any), f"{key} of {name}")
        for key, value in spec.items()
        if key != "name"
    }
    return _checked(function(**kwargs), kinds, f"{wants}; {name} gave")


def _parsed(form: str, kinds: Sequence[_Kind], wants: str) -> Mapping[str, Any]:
    """The call that a string stands for, where a kind has a short form: `parse`."""
    for kind in kinds:
        if parse := getattr(sys.modules.get(kind.home), "parse", None):
            return parse(form)
    raise ValueError(f"{wants}, dict(name=...); got {form!r}")


def _or(kinds: Sequence[_Kind]) -> str:
    return " or ".join(kind.name for kind in kinds)


def _look_up(name: str, kinds: Sequence[_Kind], wants: str) -> Callable[..., Any]:
    if ":" in name:
        function = _imported(name)
        given = _kind_of(hints_of(function).get("return"))
        if given is not None and given not in kinds:
            raise ValueError(f"{wants}; {name} gives a {given.name}")
        return function
    choices: dict[str, Callable[..., Any]] = {}
    for kind in kinds:
        choices |= _givers(kind)
    if name in choices:
        return choices[name]
    end = nearest(name, choices)
    for kind in _kinds():
        if kind.home in sys.modules and name in _givers(kind):
            raise ValueError(f"{wants}; {name} gives a {kind.name}: {end}")
    homes = " or ".join(dict.fromkeys(kind.home for kind in kinds))
    raise ValueError(f"{wants}; there is no {name!r} in {homes}: {end}")


def _givers(kind: _Kind) -> dict[str, Callable[..., Any]]:
    """The public functions whose return annotation is a kind, by name."""
    module = importlib.import_module(kind.home)
    values = {name: getattr(module, name) for name in module.__all__}
    return {
        name: value
        for name, value in values.items()
        if _is_function(value) and _kind_of(hints_of(value).get("return")) == kind
    }


def _is_function(value: Any) -> bool:
    return inspect.isfunction(value) or isinstance(value, functools.partial)


def _imported(name: str) -> Callable[..., Any]:
    """The function `package.module:function`."""
    path, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(path)
    except (ImportError, ValueError) as e:
        raise ValueError(
            f"{name!r} cannot be imported: {e}; a name with a colon is "
            "package.module:function, seen from the current folder"
        ) from e
    function = getattr(module, attribute, None)
    if not callable(function):
        public = [n for n in vars(module) if n[0] != "_" and callable(vars(module)[n])]
        raise ValueError(f"{path} has no {attribute!r}: {nearest(attribute, public)}")
    return function


def _value(value: Any, hint: Any, place: str) -> Any:
    """An argument, with the calls in it made; `hint` is what it is annotated with."""
    hints = alternatives(hint)
    if isinstance(value, Mapping):
        return _from_mapping(value, hints, place)
    if isinstance(value, (list, tuple)):
        return tuple(
            _value(v, item_of(hints, i), f"{place}[{i}]") for i, v in enumerate(value)
        )
    kinds = [kind for kind in map(_kind_of, hints) if kind]
    others = tuple(h for h in hints if isinstance(h, type)) + (int,) * (float in hints)
    if not kinds or isinstance(value, others):
        return value
    if isinstance(value, str):
        return _call(value, kinds, place)
    if isinstance(value, (int, float)):
        raise ValueError(f"{place} wants a {_or(kinds)}, dict(name=...); got {value!r}")
    return value


def _from_mapping(value: Mapping, hints: tuple[Any, ...], place: str) -> Any:
    kinds = [kind for kind in map(_kind_of, hints) if kind]
    if kinds:
        return _call(value, kinds, place)
    fields = [h for h in hints if hasattr(h, "_fields")]
    if fields:
        _check_arguments(place, fields[0], value)
        parts = typing.get_type_hints(fields[0])
        return fields[0](
            **{k: _value(v, parts[k], f"{k} of {place}") for k, v in value.items()}
        )
    plain = [h for h in hints if mapping_of(h) is not None]
    if "name" in value and not plain:
        raise ValueError(f"{place} takes no call; got name={value['name']!r}")
    inner = (typing.get_args(plain[0]) if plain else ()) or (Any, Any)
    return {k: _value(v, inner[1], f"{place}[{k!r}]") for k, v in value.items()}


def _checked(made: Any, kinds: Sequence[_Kind], gave: str) -> Any:
    """What users' own functions give, too, is of the wanted kind."""
    for kind in kinds:
        of_class = isinstance(kind.type, type) and isinstance(made, kind.type)
        if of_class or (not isinstance(kind.type, type) and callable(made)):
            return made
    raise ValueError(f"{gave} {type(made).__name__}")


def _check_arguments(
    name: str, function: Callable[..., Any], given: Iterable[str]
) -> None:
    given = list(given)
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for key in given:
        if key not in parameters:
            raise ValueError(
                f"{name} has no argument {key!r}: {nearest(key, parameters)}"
            )
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty
        and p.kind is not p.VAR_POSITIONAL
        and p.name not in given
    ]
    if missing:
        raise ValueError(f"{name} needs {', '.join(missing)}; got {sorted(given)}")
