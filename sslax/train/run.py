"""What a run is made of: its config, its data, and what the config compiles to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
from absl import logging

from sslax import calls, data, sharding
from sslax.program import Program, build_program
from sslax.train.feed import Feed, Feeder
from sslax.train.texts import tokenizer_of

__all__ = [
    "CANVAS",
    "Run",
    "build_feed",
    "build_run",
    "key_of",
    "on_canvas",
    "open_asked",
    "open_files",
    "open_other",
    "open_source",
]

# The side of the canvas for images of several sizes, where a run has had none.
CANVAS = 512


class Run(NamedTuple):
    """What a run is made of.

    Attributes:
      config: the resolved config, plain values.
      loader: batches by number, see `sslax.data.loader`.
      program: what the config compiles to.
      feed: batches for the loop.
      tokenizer: makes numbers of texts; None where the config has none.
    """

    config: Mapping[str, Any]
    loader: Any
    program: Program
    feed: Feed
    tokenizer: data.Tokenizer | None = None


def open_source(
    config: Mapping[str, Any], split: str, tokenizer: data.Tokenizer | None = None
) -> data.Source:
    """The data of a run.

    Args:
      config: the resolved config.
      split: "train" or "test": which of `data.train` and `data.test` to open; where the
        latter is empty, it is what belongs to the training data (`data.test_of`).
      tokenizer: of the run; captions come as numbers then, where the data have some.

    Returns:
      A source.

    Raises:
      ValueError: if the data are not there, or there is nothing to test on.
    """
    d = config["data"]
    spec = d[split] or (data.test_of(d["train"]) if split == "test" else "")
    if not spec:
        raise ValueError(
            "there is nothing to evaluate on: no other split belongs to"
            f" {_brief(d['train'])}; give --config.data.test="
            if split == "test"
            else "there are no data: give --config.data.train=, as folder:/path"
        )
    source = calls.build(spec, data.Source)
    source = dataclasses.replace(source, **_handled(d))
    if tokenizer is None or source.captions is None:
        return source
    return data.tokenized(of=source, tokenizer=tokenizer)


def _handled(d: Mapping[str, Any]) -> dict[str, str]:
    """How sources handle images; runs of before there was a choice have Pillow."""
    return {"on_error": d["on_error"], "resize": d.get("resize", "pillow")}


def _brief(spec: Any) -> str:
    return repr(spec if isinstance(spec, str) else spec.get("name"))


def build_run(
    config: Mapping[str, Any], folder: Any = None, *, trains: bool = True
) -> Run:
    """Makes everything that a run needs, compiled functions included.

    Args:
      config: the resolved config, plain values.
      folder: the folder of the run, whose tokenizer is taken where there is one.
      trains: whether it goes on: the schedule must be that of the data then. A run that
        is only read may have been trained on fewer or more images than there are now.

    Returns:
      The run.

    Raises:
      ValueError: if a call in the config is wrong, or the batch does not divide by the
        devices.
    """
    mesh = sharding.make_mesh(**config["mesh"])
    sharding.check_batch(config["batch_size"], mesh)
    d = config["data"]
    source = open_source(config, "train")
    if trains:
        data.check_examples(source, config["examples"], batch_size=config["batch_size"])
    elif len(source) != config["examples"]:
        logging.warning(
            "%s has %d examples now; the run was trained on %d",
            source.name,
            len(source),
            config["examples"],
        )
    tokenizer = tokenizer_of(config, source, folder)
    if tokenizer is not None:
        source = data.tokenized(of=source, tokenizer=tokenizer)
    loader = data.loader(
        source,
        batch_size=config["batch_size"],
        seed=config["seed"],
        canvas=d["canvas"],
        workers=d["workers"],
    )
    program = build_program(config, mesh, loader.shapes)
    feed = build_feed(config, loader, program)
    return Run(config, loader, program, feed, tokenizer)


def build_feed(config: Mapping[str, Any], loader: Any, program: Program) -> Feed:
    """Makes the feed of a run, before its first batch.

    Args:
      config: the resolved config.
      loader: batches by number.
      program: what the config compiles to.

    Returns:
      The feed.

    Raises:
      ValueError: if its call is wrong.
    """
    feeder = calls.build(config.get("feed") or {"name": "in_order"}, Feeder)
    return feeder(config, loader, program)


def key_of(config: Mapping[str, Any], purpose: int) -> jax.Array:
    """Keys of the seed of a run.

    Args:
      config: the resolved config.
      purpose: 0 for the first state, 1 for the steps.

    Returns:
      The key.
    """
    return jax.random.fold_in(jax.random.key(config["seed"]), purpose)


def open_other(run: Run, name: str) -> tuple[Run, data.Source]:
    """Data that a run was not trained on, read as its own were.

    Files are read with the channels, the bits and the orientation of the training
    images, and one that is broken stops or is skipped as the run's config says.

    Args:
      run: the run.
      name: the data by their short form, see `sslax.data.parse`.

    Returns:
      The run, with a canvas where these images need one, and the source.

    Raises:
      ValueError: if there are no such data, or their images have another number of
        channels than the network takes.
    """
    own = run.loader.source.fields.get("image")
    source = data.source(name, like=own)
    source = dataclasses.replace(source, **_handled(run.config["data"]))
    return on_canvas(run, source), source


def open_asked(
    run: Run, name: str | None, split: str | None
) -> tuple[Run, data.Source]:
    """The data that a command reads: those it names, or a split of the run's own.

    Args:
      run: the run.
      name: data by their short form; None takes the run's own.
      split: "train" or "test" of the run's own; None is the test split where there is
        one.

    Returns:
      The run, with a canvas where the images need one, and the source.

    Raises:
      ValueError: if there are no such data, or both are given.
    """
    if name is not None:
        if split is not None:
            raise ValueError(
                f"--split={split} is one of the run's own data; with --data it is "
                f"--data={name}/{split}"
            )
        return open_other(run, name)
    if split is None:
        d = run.config["data"]
        split = "test" if d["test"] or data.test_of(d["train"]) else "train"
    if split not in ("train", "test"):
        raise ValueError(
            f"split {split!r} of the run's own data: "
            f"{calls.nearest(split, ('train', 'test'))}"
        )
    return run, open_source(run.config, split, run.tokenizer)


def open_files(run: Run, paths: Sequence[str]) -> tuple[Run, data.Source]:
    """Image files, as `open_other` opens data.

    Args:
      run: the run.
      paths: the files.

    Returns:
      The run, with a canvas where these images need one, and the source.

    Raises:
      ValueError: if one is not there.
    """
    own = run.loader.source.fields["image"]
    source = data.files(paths=paths, **own.reading)
    return on_canvas(run, source), source


def on_canvas(run: Run, source: data.Source) -> Run:
    """The run with a canvas, where these images need one.

    Args:
      run: the run.
      source: other data than its own.

    Returns:
      The run.

    Raises:
      ValueError: if the images have another number of channels than the network takes.
    """
    for name, own in run.loader.source.fields.items():
        other = source.fields.get(name)
        if own.kind == "picture" and other and other.shape[-1] != own.shape[-1]:
            raise ValueError(
                f"the images of {source.name} have {other.shape[-1]} channels; the run "
                f"was trained on images of {own.shape[-1]}"
            )
    several = any(None in source.fields[name].shape for name in source.pictures)
    if not several or run.config["data"]["canvas"] is not None:
        return run
    own = {**run.config["data"], "canvas": CANVAS}
    return run._replace(config={**run.config, "data": own})
