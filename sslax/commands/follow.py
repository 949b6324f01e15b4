"""A config that is given other data than its own follows them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from absl import logging

from sslax import data
from sslax.train.run import open_source

__all__ = ["CANVAS", "follow_data"]

CANVAS = 512
"""The side of the canvas of images that differ in size, where none is asked for."""


def follow_data(config: Any, given: Collection[str]) -> None:
    """Sets what follows from data that the command line gives.

    The number of examples is that of the data, and with it every schedule, unless it is
    given too. Images that differ in size are put on a canvas.

    Args:
      config: a ConfigDict, whose schedules refer to `examples`; changed in place.
      given: the fields that the command line sets, as `data.train`.

    Raises:
      ValueError: if the data cannot be opened.
    """
    if not any(field.split(".")[:2] == ["data", "train"] for field in given):
        return
    source = open_source({"data": config.data.to_dict()}, "train")
    if "examples" not in given:
        config.examples = len(source)
        logging.warning("%s: %d examples", source.name, len(source))
    if config.data.canvas is None and _differ(source):
        config.data.canvas = CANVAS
        logging.warning(
            "images differ in size: each on a canvas of %d pixels, or as "
            "--config.data.canvas says",
            CANVAS,
        )


def _differ(source: data.Source) -> bool:
    return any(None in source.fields[name].shape for name in source.pictures)
