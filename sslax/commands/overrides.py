"""A config file, and the fields of it that a command line sets.

Every field can be set, also an argument that a call leaves at its default: the
signature of the called function says which there are, and of which type.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sslax import calls
from sslax.commands.config_files import config_of
from sslax.commands.values import literal, typed

__all__ = ["field_hint", "item_hint", "load_config", "override"]


def load_config(
    text: str, overrides: Sequence[tuple[str, str]] = (), *, follow: bool = False
) -> dict[str, Any]:
    """The config of a file, with the fields that a command line sets.

    Args:
      text: `FILE` or `FILE:VARIANT`; a config of sslax goes by its name.
      overrides: pairs of a path, such as `method.encoder.stem`, and a text; where the
        file has several stages, paths begin with one.
      follow: whether the schedule follows data that the command line gives, which are
        opened then; see `sslax.commands.follow`.

    Returns:
      The resolved config as plain values; of a file with `get_stages`, a mapping from
      stages to configs.

    Raises:
      ValueError: if the file, the variant or a field does not exist, or a field takes
        no such value; the message names the nearest choice.
    """
    config = config_of(text)
    try:
        for path, value in overrides:
            override(config, path, value)
        if follow and hasattr(config, "get_oneway_ref"):
            from sslax.commands.follow import follow_data

            follow_data(config, [path for path, _ in overrides])
        return _plain(config)
    except ZeroDivisionError as error:
        zeros = [f"{path}={value}" for path, value in overrides if value == "0"]
        raise ValueError(
            f"a field that others are divided by is 0: {', '.join(zeros) or text}; it "
            "must be at least 1"
        ) from error


def override(config: Any, path: str, text: str) -> None:
    """Sets one field of a config.

    Args:
      config: a ConfigDict or a dict, changed in place.
      path: its keys with dots between them; items of a tuple by number: `start.0.run`
        or `start[0].run`.
      text: the value as it was typed.

    Raises:
      ValueError: if there is no such field, or it does not take the value.

    Example:
      >>> config = {"epochs": 100, "method": {"name": "simclr", "encoder": {
      ...     "name": "resnet18"}}}
      >>> override(config, "method.encoder.stem", "cifar")
      >>> override(config, "epochs", "5")
      >>> config["epochs"], config["method"]["encoder"]
      (5, {'name': 'resnet18', 'stem': 'cifar'})
    """
    keys = [key for key in re.split(r"[.\[\]]+", path) if key]
    if not keys:
        raise ValueError("--config. needs a field: --config.epochs=100")
    _assign(config, keys, text, None, ())


def _assign(node: Any, keys: list[str], text: str, hint: Any, done: tuple) -> Any:
    """`node` with one part of it set; mappings are changed in place."""
    where = ".".join((*done, keys[0]))
    if isinstance(node, (list, tuple)):
        return _assign_item(node, keys, text, hint, done)
    if node is None and keys[0] == "name":
        node = {"name": ""}  # a call begins
    if not _is_mapping(node):
        whole = ".".join(done)
        raise ValueError(
            f"--config.{where}: {whole} is {node!r} and has no fields; begin with "
            f"--config.{whole}.name=... or --config.{whole}=VALUE"
        )
    key, takes = keys[0], _arguments(node, hint)
    if key not in node and key not in takes:
        known = {*map(str, node), *takes}
        owner = node.get("name") or ".".join(done) or "the config"
        raise ValueError(
            f"--config.{where}: {owner} has no field {key!r}: "
            f"{calls.nearest(key, known)}"
        )
    inner = takes.get(key) if takes else field_hint(where)
    current = node.get(key)
    if len(keys) > 1:
        value = _assign(current, keys[1:], text, inner, (*done, key))
    else:
        value = _value(node, key, text, inner, where)
    _set(node, key, value)
    return node


def _assign_item(node, keys: list[str], text: str, hint: Any, done: tuple) -> Any:
    where, items = ".".join((*done, keys[0])), list(node)
    most = len(items) if len(keys) > 1 else len(items) - 1  # one more call may begin
    if not keys[0].isdigit() or int(keys[0]) > most:
        raise ValueError(
            f"--config.{where}: {'.'.join(done)} has {len(items)} items, numbered from "
            f"0; got {keys[0]!r}"
        )
    index, inner = int(keys[0]), item_hint(hint)
    if index == len(items):
        items.append({})
    if len(keys) == 1:
        items[index] = typed(text, inner or _type(items[index]), where)
    elif items[index] == {} or (inner is None and "name" not in items[index]):
        items[index] = {**items[index], ".".join(keys[1:]): literal(text)}
    else:
        part = dict(items[index])
        items[index] = _assign(part, keys[1:], text, inner, (*done, keys[0]))
    return tuple(items)


def _value(node: Any, key: str, text: str, hint: Any, where: str) -> Any:
    if hint is None:
        hint = _type_of(node, key)
    return typed(text, hint, where)


def _type_of(node: Any, key: str) -> Any:
    """The type of a field that no signature describes: that of its value, or none."""
    kind = node.get_type(key) if hasattr(node, "get_type") else None
    plain = kind in (bool, int, float, str)
    return kind if plain else _type(node[key])


def _type(value: Any) -> Any:
    if value is None:
        return Any
    if _is_mapping(value):
        return Callable[..., Any] if "name" in value else Mapping[str, Any]
    if isinstance(value, (tuple, list)):
        kinds = {type(item) for item in value}
        return types.GenericAlias(tuple, (*kinds, ...)) if len(kinds) == 1 else tuple
    return type(value)


def _arguments(node: Any, hint: Any) -> Mapping[str, Any]:
    """The arguments of a call with their types; none of what is no call.

    Data may also be given by their short form, as the data of the config.
    """
    from sslax import data

    if "name" not in node or not node["name"]:
        return {}
    try:
        takes = calls.arguments(node["name"], Any if hint is None else hint)
    except ValueError:
        if hint is not None:
            raise
        return {}  # a name that is no call's
    short = {k: data.Source | str for k, h in takes.items() if h is data.Source}
    return {"name": str, **takes, **short}


def field_hint(where: str) -> Any:
    """The type of a field of the config where its value does not tell: calls, None.

    Args:
      where: its path, also that of a stage.

    Returns:
      What a call there gives, or a type; None where the value tells it.
    """
    import optax

    from sslax import core, data, kinds, sharding
    from sslax.evaluate import tasks
    from sslax.train import feed

    fields = {
        "method": core.Method,
        "views": kinds.Builder,
        "optimizer": optax.GradientTransformation,
        "layout": sharding.Rule,
        "feed": feed.Feeder,
        "evaluate.views": kinds.Builder,
        "evaluate.tasks": tuple[tasks.Task, ...],
        "evaluate.online": tuple[tasks.Task, ...],
        "data.train": data.Source | str,
        "data.test": data.Source | str,
        "data.tokenizer": data.Tokenizer,
        "data.canvas": int | None,
        "evaluate.held_out": data.Source | str,
        "normalize": Any,
    }
    return fields.get(where) or fields.get(where.partition(".")[2])  # of a stage


def item_hint(hint: Any) -> Any:
    """The type of what a sequence holds.

    Args:
      hint: that of the sequence.

    Returns:
      The type, or None.
    """
    arguments = typing.get_args(hint)
    return arguments[0] if arguments else None


def _is_mapping(value: Any) -> bool:
    return hasattr(value, "keys")  # a dict, or a ConfigDict, which is no Mapping


def _set(node: Any, key: str, value: Any) -> None:
    if isinstance(node, dict):
        node[key] = value
        return
    with node.unlocked(), node.ignore_type():
        node[key] = value


def _plain(config: Any) -> dict[str, Any]:
    """Without references and tuples: as JSON would give it back."""

    def resolved(value):
        value = value.to_dict() if hasattr(value, "to_dict") else value
        # A ConfigDict leaves references within tuples as they are.
        return json.loads(json.dumps(value, default=lambda reference: reference.get()))

    if isinstance(config, Mapping):
        return {k: resolved(v) for k, v in config.items()}
    return resolved(config)
