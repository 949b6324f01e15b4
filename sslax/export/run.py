"""The features of a run as a file or a folder: what `sslax export` does."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from sslax import convert
from sslax.checks import check_choice
from sslax.export.features import Features, about, open_features
from sslax.export.formats import arrays_of, graph_of, program_of
from sslax.export.hub import hub_files

__all__ = ["FORMATS", "export_features"]

FORMATS = ("jax", "onnx", "safetensors", "hf")


def export_features(
    folder: str,
    out: str,
    *,
    form: str,
    step: int | str | None = None,
    image_size: int | None = None,
    normalize: str | None = None,
) -> None:
    """Writes the features of a run for others to compute; whole or not at all.

    Args:
      folder: of a run, or of `sslax convert`.
      out: the file, or with "hf" the folder, which must not exist yet. A program and a
        graph have a JSON beside them that says what goes in and what comes out.
      form: "jax" (a StableHLO program), "onnx", "safetensors" (all arrays of the run,
        under our names) or "hf" (a folder of timm's, as on the Hugging Face Hub).
      step: see `open_features`.
      image_size: see `open_features`.
      normalize: see `open_features`.

    Raises:
      ValueError: if something is there already, a package is missing, or the network
        has no form of this kind.
    """
    check_choice(FORMATS, format=form)
    beside = f"{out}.json" if form in ("jax", "onnx") else out
    for path in (out, beside):
        if os.path.exists(path):
            raise ValueError(f"{path!r} exists already; choose another name")
    if form == "safetensors" and image_size is not None:
        raise ValueError(
            "safetensors holds arrays, which are of no image size; leave out "
            f"image_size={image_size}, or take --format=jax, onnx or hf"
        )
    features = open_features(
        folder,
        step=step,
        image_size=image_size,
        normalize=normalize,
        float32=form in ("onnx", "hf"),
    )
    write = {"safetensors": _write_tensors, "hf": _write_folder}.get(form)
    if write is None:
        content = {"jax": program_of, "onnx": graph_of}[form](features)
        _whole(out, lambda path: path.write_bytes(content))
        text = json.dumps(about(features), indent=2) + "\n"
        _whole(beside, lambda path: path.write_text(text))
    else:
        write(features, out)
    shape = "x".join(map(str, features.shape))
    d = about(features)["output"]["shape"][1]
    print(f"{d} features of images {shape}: {out}")


def _write_tensors(features: Features, out: str) -> None:
    arrays, header = arrays_of(features)
    convert.write_tensors(out, arrays, metadata=header)


def _write_folder(features: Features, out: str) -> None:
    config, tensors = hub_files(features)

    def write(folder: Path) -> None:
        folder.mkdir()
        text = json.dumps(config, indent=2) + "\n"
        (folder / "config.json").write_text(text)
        path = folder / "model.safetensors"
        convert.write_tensors(path, tensors, metadata={"format": "pt"})

    _whole(out, write)


def _whole(out: str, write: Callable[[Path], object]) -> None:
    """Writes under another name and renames."""
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        write(partial / "new")
        (partial / "new").rename(path)
    finally:
        shutil.rmtree(partial)
