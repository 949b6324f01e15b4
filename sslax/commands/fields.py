"""The fields of a config as lines: path, value and meaning."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sslax import calls
from sslax.commands.overrides import field_hint, item_hint

__all__ = ["Field", "fields_of", "meanings"]

_MEANINGS = {
    "seed": "what all that is random starts from",
    "examples": "images that are trained on",
    "epochs": "passes over them",
    "batch_size": "images a step, of all devices together",
    "steps_per_epoch": "follows from the two",
    "steps": "of the run; follows from the epochs",
    "warmup_epochs": "epochs in which the rate rises",
    "steps_per_call": "steps in one dispatch; more for tiny networks",
    "dtype": "what the networks compute in: float32 or bfloat16",
    "accumulate": "micro-batches in which a batch passes the networks",
    "log_every": "steps between lines of the log",
    "wandb": "a project of Weights & Biases that gets the numbers too; empty: none",
    "start": "runs or weights to start from, as RUN or RUN:extra/teacher=params",
    "fit.without": "what keeps its random start",
    "fit.resize": "'size' resizes positions to the image",
    "fit.spread": "what is copied to several places",
    "mesh.data": "devices that the batch is split over; -1 is the rest",
    "mesh.fsdp": "devices that layout fsdp splits the state over",
    "layout": "where the arrays of the state lie",
    "normalize": "statistics that all views end with; none: images in [0, 1]",
    "data.train": "what is trained on: a call, or folder:/path and the like",
    "data.test": "what is judged on; empty: that which belongs to data.train",
    "data.on_error": "'stop' or 'skip' at a broken image",
    "data.resize": "'pillow' or 'opencv', what shrinks images to the canvas",
    "data.canvas": "side of the square that images of many sizes are put on",
    "data.workers": "processes that decode",
    "checkpoint.every": "steps between checkpoints",
    "checkpoint.keep": "how many are kept",
    "evaluate.every": "steps between online evaluations; 0 is never",
    "evaluate.final": "the full evaluation and the report after the last step",
    "evaluate.tasks": "of the full evaluation",
    "evaluate.online": "of the online ones; the first tells the best",
    "evaluate.online_examples": "images that online tasks learn from",
    "evaluate.held_out": "what they are judged on; empty: a part of data.train",
    "evaluate.batch_size": "images at a time",
    "evaluate.views": "what features are read from",
    "feed": "where batches come from, as replay; else data.train, in the seed's order",
    "views": "what the loss sees",
    "method": "what is learned, and how",
    "optimizer": "of every objective, or one for each by name",
}
_ARGUMENT = re.compile(r"^  (\w+): (.*(?:\n    .*)*)", re.MULTILINE)


class Field(NamedTuple):
    """One line.

    Attributes:
      path: keys with dots between them, as `--config.PATH=VALUE` takes it.
      value: a plain value; of a call its name.
      meaning: a few words, or nothing.
    """

    path: str
    value: Any
    meaning: str


def fields_of(config: Mapping[str, Any]) -> Iterator[Field]:
    """Every field of a resolved config; of calls also what they leave at its default.

    Args:
      config: plain values, as `load_config` gives them.

    Yields:
      Fields in the order of the config.
    """
    for name, value in config.items():
        yield from _walk(name, value, field_hint(name), _MEANINGS.get(name, ""))


def meanings(function: Any) -> dict[str, str]:
    """What the docstring of a function says of its arguments, up to the first stop.

    Args:
      function: with a Google docstring.

    Returns:
      Texts by argument.

    Example:
      >>> from sslax import methods
      >>> meanings(methods.simclr)["temperature"]
      '0.1 on ImageNet, 0.5 on CIFAR-10'
    """
    text = (inspect.getdoc(function) or "").partition("\nArgs:\n")[2]
    found = _ARGUMENT.findall(text.partition("\n\n")[0])
    return {
        name: re.split(r"[.;:](?:\s|$)", " ".join(told.split()))[0]
        for name, told in found
    }


def _walk(path: str, value: Any, hint: Any, meaning: str) -> Iterator[Field]:
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        yield from _call(path, value, hint, meaning)
    elif isinstance(value, Mapping) and value:
        for name, inner in value.items():
            place = f"{path}.{name}"
            told = _MEANINGS.get(place, "")
            yield from _walk(place, inner, field_hint(place) or hint, told)
    elif isinstance(value, (list, tuple)) and any(
        isinstance(v, Mapping) for v in value
    ):
        for i, inner in enumerate(value):
            told = "" if i else meaning
            yield from _walk(f"{path}.{i}", inner, item_hint(hint), told)
    else:
        yield Field(path, value, meaning)


def _call(path: str, spec: Mapping, hint: Any, meaning: str) -> Iterator[Field]:
    wanted = Any if hint is None else hint
    function = calls.function(spec["name"], wanted)
    yield Field(f"{path}.name", spec["name"], meaning)
    hints, told = calls.arguments(spec["name"], wanted), meanings(function)
    for name, parameter in inspect.signature(function).parameters.items():
        value = spec.get(name, parameter.default)
        if value is parameter.empty:
            continue
        yield from _walk(f"{path}.{name}", value, hints.get(name), told.get(name, ""))
