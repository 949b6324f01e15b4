"""Weights from PyTorch into a folder, and from a folder or a run back."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from sslax import convert

__all__ = ["export_weights", "import_weights", "run"]

_TYPES = ("", "float32", "int32")


def run(options: Any) -> None:
    """Converts in the direction that the command line says.

    Args:
      options: of the command line.

    Raises:
      ValueError: if they do not say one, or as in the two functions.
    """
    source, target = vars(options)["from"], options.to
    if options.path is None or (source is None) == (target is None):
        raise ValueError(
            "give --from and one file, or --to and one folder: "
            "sslax convert --from=timm FILE --model=vit_small_patch16_224 --out=DIR"
        )
    options.say("nothing was written")
    side = options.image_size
    if target is not None:
        export_weights(
            options.path,
            options.out,
            source=target,
            image_size=side,
            take=options.take,
        )
        return
    if options.model is None:
        raise ValueError("--from needs --model, for example --model=resnet50")
    import_weights(
        options.path,
        options.out,
        model=options.model,
        source=source,
        image_size=side,
        prefix=options.prefix,
        inputs=options.inputs and _inputs(options.inputs),
    )


def import_weights(
    file: str,
    out: str,
    *,
    model: str,
    source: str,
    image_size: int | None = None,
    prefix: str | None = None,
    inputs: Sequence[Any] | None = None,
) -> None:
    """Converts a file of PyTorch weights to a folder; prints what was read.

    Args:
      file: a safetensors or torch file.
      out: the folder, which must not exist yet; see `sslax.convert.load`.
      model: a name as timm or the paper's code has it, or a call as JSON.
      source: whose names: "timm" or "torch".
      image_size: side of the images that the weights are for.
      prefix: what stands before the names.
      inputs: shapes of what a network takes that is not of images, such as a head.

    Raises:
      ValueError: if the file cannot be read or does not fit; nothing is written then.
    """
    if os.path.exists(out):
        raise ValueError(f"{out!r} exists already; choose another folder")
    call = _call(model)
    params, stats, report = convert.from_torch(
        convert.read_tensors(file),
        model=call,
        source=source,
        image_size=image_size,
        inputs=inputs,
        prefix=prefix,
    )
    convert.save(out, params, stats, model=call, image_size=image_size, inputs=inputs)
    print(f"{convert.format_report(report)}\nweights: {out}")


def export_weights(
    folder: str,
    out: str,
    *,
    source: str,
    image_size: int | None = None,
    take: str = "params/encoder",
) -> None:
    """Writes the encoder of a run, or a converted network, as safetensors.

    Args:
      folder: the folder of a run, or one that `import_weights` wrote.
      out: the file, which must not exist yet.
      source: whose names: "timm" or "torch".
      image_size: side of the images of a run that its weights are for; by default that
        of its evaluation view.
      take: the path of the network in the state of a run: "extra/teacher/encoder".

    Raises:
      ValueError: if there is no network in the folder, or the file exists.
    """
    if os.path.exists(out):
        raise ValueError(f"{out!r} exists already; choose another name")
    if (Path(folder) / "model.json").exists():
        call, inputs = convert.model_of(folder)
        _, params, stats = convert.load(folder)
    else:
        call, inputs, params, stats = _encoder(folder, take, image_size)
    tensors = convert.to_torch(params, stats, model=call, source=source, inputs=inputs)
    convert.write_tensors(out, tensors, metadata={"format": "pt"})
    print(f"{len(tensors)} tensors: {out}")


def _inputs(text: str) -> list[jax.ShapeDtypeStruct]:
    """Shapes from "1x50x768,1x196:int32"."""
    found = []
    for part in text.split(","):
        shape, _, dtype = part.partition(":")
        sizes = shape.split("x")
        if not all(size.isdigit() for size in sizes) or dtype not in _TYPES:
            raise ValueError(
                f"inputs {text!r} are not understood at {part!r}; write shapes and, "
                "where they are no float32, types: 1x50x768,1x196:int32"
            )
        sizes = tuple(int(size) for size in sizes)
        found.append(jax.ShapeDtypeStruct(sizes, dtype or "float32"))
    return found


def _call(model: str) -> Any:
    if not model.lstrip().startswith("{"):
        return model
    try:
        return json.loads(model)
    except json.JSONDecodeError as error:
        raise ValueError(f"model {model!r} is not JSON: {error}") from error


def _encoder(workdir: str, take: str, image_size: int | None):
    """The call, inputs, parameters and statistics of a network of a run."""
    from sslax.train.run import build_run
    from sslax.train.start import encoder_of
    from sslax.train.workdir import read_config

    config = read_config(workdir)
    _, params, stats = encoder_of(workdir, take)
    run = build_run(config, workdir, trains=False)
    seen = jax.eval_shape(
        run.program.evaluation_views, jax.random.key(0), run.loader.shapes
    )
    _, *sides, channels = seen["views"][0].shape
    sides = [image_size] * 2 if image_size else sides
    inputs = [jax.ShapeDtypeStruct((1, *sides, channels), "float32")]
    group = take.rpartition("/")[2]
    if group == "text":
        inputs = [jax.ShapeDtypeStruct((1, *seen["text"].shape[1:]), "int32")]
    call = config["method"][group]
    return call, inputs, *jax.device_get((params, stats))
