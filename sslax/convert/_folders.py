"""Folders of converted weights: our own arrays, and the call of their network."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from sslax.convert._blocks import as_list, as_stack
from sslax.convert._files import read_tensors, write_tensors
from sslax.convert._target import addresses, check_arrays, target_of
from sslax.core import Net

__all__ = ["load", "model_of", "save"]

_MODEL, _WEIGHTS = "model.json", "weights.safetensors"


def save(
    folder: str | os.PathLike[str],
    params: Mapping[str, Any],
    stats: Mapping[str, Any],
    *,
    model: str | Mapping[str, Any],
    image_size: int | None = None,
    inputs: Sequence[Any] | None = None,
) -> None:
    """Writes a network to a new folder, whole or not at all.

    The folder holds `weights.safetensors`, arrays by path ("params/norm/scale"), and
    `model.json`, the call of the network and the shapes of its inputs.

    Args:
      folder: must not exist yet.
      params: parameters of the net that `model` means.
      stats: its statistics.
      model: a name or a call, as in `from_torch`.
      image_size: as in `from_torch`.
      inputs: as in `from_torch`.

    Raises:
      ValueError: if the folder exists, or the arrays are not of the model.
    """
    folder = Path(folder)
    if folder.exists():
        raise ValueError(f"{str(folder)!r} exists already; choose another folder")
    target = target_of(model, image_size=image_size, inputs=inputs)
    arrays = addresses(as_list(params), stats)
    check_arrays(arrays, target)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    description = {
        "model": dict(target.call),
        "inputs": [[jnp.dtype(x.dtype).name, list(x.shape)] for x in target.inputs],
    }
    try:
        write_tensors(partial / _WEIGHTS, {"/".join(k): v for k, v in arrays.items()})
        (partial / _MODEL).write_text(json.dumps(description, indent=2) + "\n")
        partial.chmod(0o755)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial)
        raise


def load(folder: str | os.PathLike[str]) -> tuple[Net, dict[str, Any], dict[str, Any]]:
    """Reads a network from a folder that `save` or `sslax convert` wrote.

    Args:
      folder: the folder.

    Returns:
      (net, params, stats).

    Raises:
      ValueError: if there is no network in the folder, or its files do not fit.
    """
    folder = Path(folder)
    call, inputs = model_of(folder)
    target = target_of(call, inputs=inputs)
    tensors = read_tensors(folder / _WEIGHTS)
    arrays = {}
    for name, value in tensors.items():
        where, _, path = name.partition("/")
        arrays[where, path] = value
    check_arrays(arrays, target)
    tree: dict[str, Any] = {"params": {}}
    for (where, path), value in arrays.items():
        node = tree.setdefault(where, {})
        *parents, last = path.split("/")
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = value
    params, stats = tree.pop("params"), tree
    params = as_stack(params) if call.get("scan") else params
    return target.net, *jax.tree.map(jnp.asarray, (params, stats))


def model_of(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], list[Any]]:
    """The call of the network in a folder, and the shapes of its inputs.

    Args:
      folder: the folder.

    Returns:
      (call, inputs).

    Raises:
      ValueError: if there is none.
    """
    file = Path(folder) / _MODEL
    if not file.is_file():
        raise ValueError(f"{str(folder)!r} holds no converted network ({_MODEL})")
    try:
        description = json.loads(file.read_text())
        inputs = [
            jax.ShapeDtypeStruct(tuple(shape), jnp.dtype(dtype))
            for dtype, shape in description["inputs"]
        ]
        return description["model"], inputs
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{str(file)!r} is damaged: {error}") from error
