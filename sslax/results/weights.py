"""Converted weights as a run, so that they are evaluated and embed as runs do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from sslax import convert, data
from sslax.core import Method, Net, State
from sslax.nets import chain, readings
from sslax.results.evaluation import restore_run
from sslax.train.loop import first_state
from sslax.train.run import CANVAS, Run, build_run
from sslax.train.start import Graft, graft

__all__ = ["are_weights", "converted", "open_trained", "open_weights"]

TASKS = [{"name": "classify"}]
"""What is read from converted weights."""


def are_weights(folder: str) -> bool:
    """Whether a folder holds what `sslax convert` wrote, and no run.

    Args:
      folder: any folder.

    Returns:
      True or False.
    """
    return (Path(folder) / "model.json").exists()


def open_trained(
    folder: str,
    *,
    step: int | str | None = None,
    train: str | None = None,
    test: str | None = None,
    image_size: int | None = None,
    normalize: str | None = None,
) -> tuple[Run, State]:
    """Opens a run, or converted weights as one.

    Args:
      folder: of a pretraining or of `sslax convert`.
      step: which checkpoint of a run; the newest by default, or "best".
      train: of weights: see `open_weights`; a run has its own.
      test: of weights.
      image_size: of weights.
      normalize: of weights; "imagenet" by default.

    Returns:
      The run and its state.

    Raises:
      ValueError: as in `restore_run` and `open_weights`; and if a run is given what its
        config says, or weights are given none of the data, or a step.
    """
    own = {"test": test, "image_size": image_size, "normalize": normalize}
    own = {name: value for name, value in own.items() if value is not None}
    if not are_weights(folder):
        if own:
            raise ValueError(
                f"{', '.join(own)} is for converted weights; {folder!r} holds none, "
                "and a run has its own"
            )
        return restore_run(folder, step)
    if step is not None:
        raise ValueError(f"{folder!r} holds converted weights, which have no step")
    if train is None:
        raise ValueError(
            f"{folder!r} holds converted weights, which have no data of their own; "
            "give --data=folder:/path, or a set as --data=cifar10/train"
        )
    return open_weights(folder, train=train, **own)


def open_weights(
    folder: str,
    *,
    train: str,
    test: str = "",
    image_size: int | None = None,
    normalize: str = "imagenet",
) -> tuple[Run, State]:
    """Opens converted weights as the first state of a run that trains nothing.

    Args:
      folder: of `sslax convert`.
      train: data by their short form, see `sslax.data.parse`; probes learn from them.
      test: data that probes are judged on; those that belong to `train` by default.
      image_size: side of the images; by default what the weights were converted for.
      normalize: the statistics that the network sees images with.

    Returns:
      The run and its state.

    Raises:
      ValueError: if there are no weights of a network of images, or no such data.
    """
    call, inputs = convert.model_of(folder)
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise ValueError(f"{call['name']} in {folder!r} is not a network of images")
    source = data.source(train)
    side = image_size or inputs[0].shape[1]
    run = build_run(_config(call, source, side, train, test, normalize))
    one = Graft(folder, resize=call.get("resize", "size"))
    return run, graft(first_state(run), [one])


def converted(encoder: Net) -> Method:
    """A network as a method with nothing to learn.

    Args:
      encoder: images to features [b d].

    Returns:
      A method without objectives.
    """
    net = chain(encoder=encoder)

    def init(key, batch):
        params, stats = net.init(key, batch["views"][0])
        return params, {"stats": stats}

    return Method(init=init, objectives={}, outputs=readings(net, "encoder", encoder))


def _config(
    call: Mapping[str, Any],
    source: data.Source,
    side: int,
    train: str,
    test: str,
    normalize: str,
) -> dict[str, Any]:
    differ = any(None in source.fields[name].shape for name in source.pictures)
    center = {"name": "center", "size": side}
    return {
        "method": {"name": f"{__name__}:{converted.__name__}", "encoder": call},
        # Two of them tell how alike features of one image are.
        "views": {"name": "one_view", "view": {"name": "view", "size": side}},
        "normalize": normalize,
        "seed": 0,
        "data": {
            "train": train,
            "test": test,
            "on_error": "stop",
            "canvas": max(CANVAS, side) if differ else None,
            "workers": 0,
        },
        "evaluate": {
            "every": 0,
            "batch_size": 64,
            "tasks": TASKS,
            "views": {"name": "one_view", "view": center},
        },
        "optimizer": {"name": "sgd", "learning_rate": 0.0},
        "mesh": {"data": -1, "fsdp": 1},
        "layout": {"name": "replicated"},
        **_unused(len(source)),
    }


def _unused(examples: int) -> dict[str, Any]:
    """Of training, which there is none of; the batch is that of the first state."""
    return {
        "examples": examples,
        "batch_size": jax.device_count(),
        "epochs": 1,
        "warmup_epochs": 0,
        "steps": 1,
        "steps_per_epoch": 1,
        "steps_per_call": 1,
        "accumulate": 1,
        "log_every": 1,
        "checkpoint": {"every": 0, "keep": 1},
    }
