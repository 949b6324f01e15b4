"""The arrays that a run or converted weights have stored, by path, read in part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from sslax import convert
from sslax.train import checkpoints

__all__ = ["Stored", "paths_of", "stored", "tree_at"]


class Stored(NamedTuple):
    """What is stored in a folder.

    Attributes:
      shapes: shape and type of every array by its path, as "params/encoder/conv1".
      read: `{path: jax.ShapeDtypeStruct with a sharding} -> {path: array}`.
    """

    shapes: Mapping[str, jax.ShapeDtypeStruct]
    read: Callable[[Mapping[str, Any]], dict[str, jax.Array]]


def stored(folder: str) -> Stored:
    """Opens the newest checkpoint of a run, or weights that sslax wrote.

    Args:
      folder: the folder of a run, whose state is read ("params/encoder", "extra/…"); a
        file of `sslax export --format=safetensors`, which has the same arrays; or a
        folder of `sslax convert`, whose network counts as "params/encoder" and
        "extra/stats/encoder".

    Returns:
      Its arrays; none is read yet.

    Raises:
      ValueError: if the folder holds neither.
    """
    path = epath.Path(folder)
    if (path / "checkpoints").exists():
        return _run(folder)
    if (path / "model.json").exists():
        return _converted(folder)
    if path.is_file():
        return _exported(folder)
    raise ValueError(
        f"{folder!r} holds no checkpoints of a run and no weights of sslax convert"
    )


def paths_of(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by their paths, "params/encoder/conv1/kernel".

    Args:
      tree: of dicts and sequences.

    Returns:
      Leaves by path.
    """
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def tree_at(source: Stored, path: str) -> dict[str, Any]:
    """The tree of arrays at a path, on the default device.

    Args:
      source: from `stored`.
      path: "params/encoder".

    Returns:
      A dict of dicts; empty where nothing is stored.
    """
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    wanted = {
        name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=here)
        for name, x in source.shapes.items()
        if name.startswith(f"{path}/")
    }
    tree = _nested(source.read(wanted)) if wanted else {}
    for part in path.split("/"):
        tree = tree.get(part, {})
    return tree


def _run(folder: str) -> Stored:
    manager = checkpoints.open_checkpoints(folder, read_only=True)
    try:
        step = checkpoints.latest_step(manager)
        if step is None:
            raise ValueError(f"the run in {folder!r} has no checkpoint yet")
        metadata = manager.item_metadata(step)["state"]
        state = epath.Path(manager.directory) / str(step) / "state"
    finally:
        manager.close()
    found = paths_of(getattr(metadata, "tree", metadata))
    shapes = {
        path: jax.ShapeDtypeStruct(tuple(x.shape), x.dtype)
        for path, x in found.items()
        if path.startswith(("params/", "extra/"))
    }

    def read(wanted):
        item = _nested(wanted)
        args = ocp.args.PyTreeRestore(
            item=item,
            restore_args=ocp.checkpoint_utils.construct_restore_args(item),
            partial_restore=True,
        )
        with ocp.PyTreeCheckpointer() as checkpointer:
            return paths_of(checkpointer.restore(state, args=args))

    return Stored(shapes, read)


def _converted(folder: str) -> Stored:
    _, params, stats = convert.load(folder)
    arrays = paths_of(
        {"params": {"encoder": params}, "extra": {"stats": {"encoder": stats}}}
    )
    return _of_arrays({path: np.asarray(x) for path, x in arrays.items()})


def _exported(file: str) -> Stored:
    """The arrays of a run, as `sslax export` writes them."""
    ours = ("params/", "extra/")
    arrays = convert.read_tensors(file) if file.endswith(".safetensors") else {}
    if not arrays or not all(name.startswith(ours) for name in arrays):
        raise ValueError(
            f"{file!r} is no file of sslax export --format=safetensors; make a folder "
            f"of it first: sslax convert --from=timm {file} --model=NAME --out=FOLDER"
        )
    return _of_arrays(arrays)


def _of_arrays(arrays: Mapping[str, np.ndarray]) -> Stored:
    shapes = {p: jax.ShapeDtypeStruct(x.shape, x.dtype) for p, x in arrays.items()}

    def read(wanted):
        return {
            path: jax.make_array_from_callback(
                like.shape, like.sharding, lambda index, x=arrays[path]: x[index]
            )
            for path, like in wanted.items()
        }

    return Stored(shapes, read)


def _nested(arrays: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in arrays.items():
        *parents, last = path.split("/")
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = value
    return tree
