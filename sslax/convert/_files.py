"""Files of tensors: safetensors, and those that torch writes."""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import pickle
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["read_tensors", "write_tensors"]


def read_tensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads all tensors of a safetensors or torch file; runs no code that is in it.

    Torch files need torch, which reads them with `weights_only=True`: a pickle that
    asks for anything but tensors and plain containers is refused. Dicts in dicts become
    dotted names; what is no tensor is passed over.

    Args:
      path: the file; a name that ends in ".safetensors" is of that format, every other
        of torch's.

    Returns:
      Arrays by name; bfloat16 arrays of torch files come as float32.

    Raises:
      ValueError: a file that is missing, truncated, holds more than tensors or none, or
        a package that is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
    read = _read_safetensors if path.suffix == ".safetensors" else _read_torch
    tensors = read(path)
    if not tensors:
        raise ValueError(f"{str(path)!r} holds no tensors")
    return tensors


def write_tensors(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Any],
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a safetensors file, whole or not at all.

    Args:
      path: the file, which must not exist yet.
      tensors: arrays by name.
      metadata: texts for the header; torch's readers want {"format": "pt"}.

    Raises:
      ValueError: if the file exists, or safetensors is not installed.
    """
    path = Path(path)
    if path.exists():
        raise ValueError(f"{str(path)!r} exists already; choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {k: np.array(v, order="C") for k, v in tensors.items()}
    save_file = _safetensors().save_file
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        save_file(arrays, partial, metadata=None if metadata is None else {**metadata})
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def _safetensors():
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ValueError(
            "safetensors is not installed: pip install 'sslax[convert]'"
        ) from error
    return safetensors.numpy


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    numpy = _safetensors()
    from safetensors import SafetensorError

    try:
        return numpy.load_file(path)
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise ValueError(
            f"{str(path)!r} is damaged, cut short, or no safetensors file: {error}"
        ) from error


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise ValueError(
            f"{str(path)!r} is read as a file of torch, which is not installed: "
            "pip install torch (that for CPU is enough), or give a .safetensors file"
        ) from error
    try:
        with torch.serialization.safe_globals(_harmless()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{str(path)!r} holds more than tensors, or no pickle at all, and was not "
            f"unpacked: {_reason(error)}"
        ) from error
    except (RuntimeError, EOFError, OSError, LookupError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} is damaged, cut short, or no file of torch: {error}"
        ) from error
    return dict(_flat(content, "", torch))


def _harmless() -> list[Any]:
    """What releases keep beside tensors, as containers that run nothing."""
    scalars = [np.dtype, *{type(np.dtype(x)) for x in ("f4", "f8", "i4", "i8", "?")}]
    with contextlib.suppress(ImportError):
        from numpy._core.multiarray import scalar

        scalars += [scalar, (scalar, "numpy.core.multiarray.scalar")]
    return [
        argparse.Namespace,
        (collections.OrderedDict, "yacs.config.CfgNode"),
        *scalars,
    ]


def _reason(error: Exception) -> str:
    """The line that says what was asked for."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if "GLOBAL" in line), lines[0])


def _flat(content: Any, prefix: str, torch: Any):
    """(dotted name, array) of every dense tensor in dicts of dicts."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(key, str):
                yield from _flat(value, f"{prefix}.{key}" if prefix else key, torch)
    elif isinstance(content, torch.Tensor) and prefix:
        if content.dtype == torch.bfloat16:
            content = content.float()
        yield prefix, content.detach().numpy()
