"""What a config may change so that its step fits: layout, remat, scan."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from sslax import calls, data, models

__all__ = ["batch_shapes", "has_option", "takes", "with_layout", "with_option"]


def with_layout(config: Mapping[str, Any], layout: str | None) -> dict[str, Any]:
    """A config with another layout.

    Args:
      config: the resolved config.
      layout: "replicated", "fsdp" (over all chips), "fsdp:16" (over 16 chips, and
        replicas of these), or None for the config's own.

    Returns:
      A copy.

    Raises:
      ValueError: if the layout is none of these.

    Example:
      >>> with_layout({"mesh": {}, "layout": {}}, "fsdp:4")["mesh"]
      {'data': -1, 'fsdp': 4}
    """
    config = copy.deepcopy(dict(config))
    if layout is None:
        return config
    name, colon, ways = layout.partition(":")
    good = name in ("replicated", "fsdp") and bool(colon) == bool(ways)
    if not good or (ways and not ways.isdecimal()) or (name != "fsdp" and ways):
        raise ValueError(
            f"layout is {layout!r}; expected 'replicated', 'fsdp' or 'fsdp:N', for "
            "example fsdp:16"
        )
    config["layout"] = {"name": name}
    config["mesh"] = {"data": -1, "fsdp": 1}
    if name == "fsdp":
        config["mesh"] = {"data": -1, "fsdp": int(ways)} if ways else _whole()
    return config


def _whole() -> dict[str, int]:
    return {"data": 1, "fsdp": -1}


def _nets(spec: Any) -> Iterator[dict[str, Any]]:
    """Calls in a method's spec that make networks."""
    if isinstance(spec, Mapping):
        if spec.get("name") in models.__all__:
            yield spec  # type: ignore[misc]
        for value in spec.values():
            yield from _nets(value)
    elif isinstance(spec, (list, tuple)):
        for value in spec:
            yield from _nets(value)


def takes(spec: Mapping[str, Any], option: str) -> bool:
    """Whether the call of a network takes a flag such as "remat"."""
    return option in inspect.signature(getattr(models, spec["name"])).parameters


def has_option(config: Mapping[str, Any], option: str) -> bool:
    """Whether a network of the config takes a flag such as "remat" or "scan"."""
    return any(takes(spec, option) for spec in _nets(config["method"]))


def with_option(config: Mapping[str, Any], option: str, value: Any) -> dict[str, Any]:
    """A copy of a config in which every network that takes a flag has this value."""
    config = copy.deepcopy(dict(config))
    for spec in _nets(config["method"]):
        if takes(spec, option):
            spec[option] = value
    return config


def batch_shapes(config: Mapping[str, Any]) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes and dtypes of a batch, before the data are there where that can be.

    Args:
      config: the resolved config.

    Returns:
      By name, as `sslax.data.loader` gives them.

    Raises:
      ValueError: if neither the config nor the data say how large an image is.
    """
    d = config["data"]
    known = data.described(d["train"])
    if known is None:  # a description alone has no examples, and counts as false
        known = calls.build(d["train"], data.Source)
    shapes = data.shapes(known, batch_size=config["batch_size"], canvas=d["canvas"])
    if d.get("tokenizer"):  # not trained: a plan needs no vocabulary
        context = calls.build(d["tokenizer"], data.Tokenizer).context
        text = (config["batch_size"], context)
        shapes["text"] = jax.ShapeDtypeStruct(text, "int32")
    return shapes
