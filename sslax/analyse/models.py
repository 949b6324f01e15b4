"""Opens the transformers of runs, and of converted weights, to be read."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sslax import calls, convert, models, views
from sslax.analyse.layers import Transformer, depth_of, outputs_of
from sslax.kinds import Builder
from sslax.train.start import encoder_of, grafts_of
from sslax.train.workdir import read_config

__all__ = ["open_transformers"]


def open_transformers(
    runs: Sequence[str], *, size: int | None = None, normalize: str = "imagenet"
) -> list[Transformer]:
    """The transformers of runs.

    Args:
      runs: folders of runs, or of converted weights; "RUN:extra/teacher/encoder" is
        another network of a run than its encoder.
      size: side of the images that converted weights see.
      normalize: the statistics that converted weights see them with.

    Returns:
      The transformers, in order.

    Raises:
      ValueError: if a folder holds none, or two have one name.
    """
    opened = [_opened(run, size, normalize) for run in runs]
    names = [model.name for model in opened]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"two runs are called {name!r}: the last part of their folders, and of "
                "the path in them, must tell them apart"
            )
    return opened


def _opened(spec: str, size: int | None, normalize: str) -> Transformer:
    (graft,) = grafts_of({"start": (spec,)})
    _, params, stats = encoder_of(graft.run, graft.take)
    depth = depth_of(params)
    if not depth:
        raise ValueError(
            f"{graft.take!r} of {graft.run!r} has no attention; give runs of "
            "transformers"
        )
    net, _, _ = encoder_of(graft.run, graft.take, output=outputs_of(depth))
    call, look = _described(graft.run, graft.take, size, normalize)
    place = "" if graft.take == "params/encoder" else f":{graft.take}"
    return Transformer(
        name=f"{Path(graft.run).name}{place}",
        net=net,
        params=params,
        stats=stats,
        look=look,
        patch_size=_argument(call, "patch_size"),
        depth=depth,
    )


def _described(run, take, size, normalize) -> tuple[Mapping[str, Any], Builder]:
    """The call of a network and what it sees of a batch."""
    if (Path(run) / "model.json").exists():
        call, inputs = convert.model_of(run)
        center = views.one_view(view=views.center(size=size or inputs[0].shape[1]))
        return call, views.normalized(center, statistics=normalize)
    config = read_config(run)
    look = calls.build(config["evaluate"]["views"], Builder)
    call = config["method"][take.rpartition("/")[2]]
    return call, views.normalized(look, statistics=config["normalize"])


def _argument(call: Mapping[str, Any], name: str) -> int:
    """An argument of the call of a network, or its default."""
    factory = getattr(models, call["name"], None)
    default = inspect.signature(factory).parameters.get(name) if factory else None
    value = call.get(name, default.default if default else None)
    if not isinstance(value, int):
        raise ValueError(
            f"{call['name']} says no {name}; give it in the config as encoder.{name}"
        )
    return value
