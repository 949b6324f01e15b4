"""What a run ended with, compared array by array and row by row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp

from experiments.reliability import launch

# What the clock says, and what follows from it.
_OF_TIME = ("images_per_second",)


def digests(folder: str, step: int | None = None) -> dict[str, str]:
    """A digest of every array of a checkpoint, the newest by default, by its path.

    The files are read as they are, by Orbax alone, onto no device.
    """
    steps = [int(p.name) for p in (Path(folder) / "checkpoints").glob("[0-9]*")]
    chosen = max(steps) if step is None else step
    item = (Path(folder) / "checkpoints" / str(chosen) / "state").resolve()
    with ocp.PyTreeCheckpointer() as reader:
        tree = reader.metadata(item).item_metadata.tree
        types = _mapped(tree, lambda leaf: ocp.RestoreArgs(restore_type=np.ndarray))
        arrays = reader.restore(item, ocp.args.PyTreeRestore(restore_args=types))
    found = {"step": str(chosen)}
    for path, value in _leaves(arrays):
        array = np.ascontiguousarray(value)
        content = hashlib.sha256(array.tobytes()).hexdigest()[:16]
        found[path] = f"{array.dtype}{list(array.shape)} {content}"
    feed = Path(folder) / "feed" / str(chosen) / "steps.npz"
    if feed.exists():
        with np.load(feed, allow_pickle=False) as held:
            for name in held.files:
                content = hashlib.sha256(np.ascontiguousarray(held[name]).tobytes())
                found[f"feed/{name}"] = content.hexdigest()[:16]
    return found


def end_of(folder: Path) -> dict[str, str]:
    """The digests of the newest checkpoint, read in a process of its own."""
    return launch.asked(digests, str(folder))


def differences(folder: Path, whole: Mapping[str, Any]) -> list[str]:
    """What differs between a run and one that was never stopped.

    Args:
      folder: of the run.
      whole: from `summary` of the other.
    """
    found, said = summary(folder), []
    for name in sorted(found["state"].keys() | whole["state"].keys()):
        ours, theirs = found["state"].get(name), whole["state"].get(name)
        if ours != theirs:
            said.append(f"{name}: {theirs} -> {ours}")
    steps = [row["step"] for row in found["rows"]]
    wanted = [row["step"] for row in whole["rows"]]
    if steps != wanted:
        said.append(f"rows of steps {_brief(steps)} for {_brief(wanted)}")
    elif found["rows"] != whole["rows"]:
        pairs = zip(found["rows"], whole["rows"], strict=True)
        step = next(a["step"] for a, b in pairs if a != b)
        said.append(f"the row of step {step} differs")
    return said


def summary(folder: Path) -> dict[str, Any]:
    """State and rows of a run, without what the clock says."""
    table = [
        {k: v for k, v in row.items() if k not in _OF_TIME}
        for row in launch.rows(folder)
    ]
    return {"state": end_of(folder), "rows": table}


def kept(file: Path, made) -> dict[str, Any]:
    """A summary that is made once and kept in a file."""
    if not file.exists():
        value = made()
        file.write_text(json.dumps(value))
    return json.loads(file.read_text())


def _mapped(tree: Any, change) -> Any:
    if isinstance(tree, Mapping):
        return {k: _mapped(v, change) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_mapped(v, change) for v in tree]
    return change(tree)


def _leaves(tree: Any, path: str = ""):
    if isinstance(tree, Mapping):
        items = sorted(tree.items())
    elif isinstance(tree, (list, tuple)):
        items = list(enumerate(tree))
    else:
        if tree is not None:
            yield path, tree
        return
    for key, value in items:
        yield from _leaves(value, f"{path}/{key}" if path else str(key))


def _brief(steps: list[int]) -> str:
    doubled = sorted({s for s in steps if steps.count(s) > 1})
    return f"{steps[:1]}..{steps[-1:]} ({len(steps)}, doubled {doubled[:3]})"
