"""Embeds whole data sets with a network that is being trained or was restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from sslax import data
from sslax.core import Method
from sslax.sharding import batch_sharding
from sslax.train.together import same_rows

__all__ = ["compile_embed", "embed_source", "eval_images"]

View = Callable[..., Mapping[str, Any]]


def compile_embed(
    method: Method, view: View, mesh: Mesh, shapes: Any, *, seed: int = 0
) -> Callable:
    """A compiled `(params, extra, batch) -> features`, whole on every device.

    Args:
      method: the method.
      view: `(key, batch) -> batch`; the first of its views is embedded.
      mesh: the mesh.
      shapes: shapes of the state, with shardings.
      seed: of the view, where it is a random one; every batch has the same draws.

    Returns:
      The function; its batch is sharded over the devices.
    """

    def embed(params, extra, batch):
        key = jax.random.key(seed)
        return method.outputs["features"](params, extra, view(key, batch), key=key)

    params, extra = (
        jax.tree.map(lambda leaf: leaf.sharding, tree)
        for tree in (shapes.params, shapes.extra)
    )
    return jax.jit(
        embed,
        in_shardings=(params, extra, batch_sharding(mesh)),
        out_shardings=NamedSharding(mesh, PartitionSpec()),
    )


def embed_source(
    embed: Callable,
    state: Any,
    source: Any,
    mesh: Mesh,
    *,
    batch_size: int,
    canvas: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Features of every example of a source, in its order.

    Args:
      embed: from `compile_embed`.
      state: the state whose network embeds.
      source: a source of `sslax.data`.
      mesh: the mesh.
      batch_size: images at a time over all devices, rounded up to their multiple; the
        last batch is padded.
      canvas: side of the canvas that images of other sizes are put on.

    Returns:
      Features `[n d]` and labels `[n]`, float32 and int32; -1 where there are none.
    """
    size = -(-batch_size // mesh.size) * mesh.size
    sharding = batch_sharding(mesh)
    features, labels = [], []
    for batch in same_rows(data.batches(source, size, canvas=canvas)):
        count = len(batch["index"])
        placed = {k: _place(_pad(x, size), sharding) for k, x in batch.items()}
        rows = embed(state.params, state.extra, placed)
        features.append(np.asarray(rows, np.float32)[:count])
        labels.append(batch.get("label", np.full(count, -1, np.int32)))
    return np.concatenate(features), np.concatenate(labels)


def eval_images(
    view: View, source: Any, *, batch_size: int, canvas: int | None = None
) -> np.ndarray:
    """The images of a source as the evaluation view makes them, for raw pixels.

    Args:
      view: the evaluation view.
      source: a source of `sslax.data`.
      batch_size: images at a time.
      canvas: side of the canvas that images of other sizes are put on.

    Returns:
      Float images `[n h w c]`, shrunk to 32 pixels if they are larger.
    """
    run = jax.jit(lambda batch: _small(view(jax.random.key(0), batch)["views"][0]))
    parts = []
    for batch in data.batches(source, batch_size, canvas=canvas):
        padded = {k: _pad(x, batch_size) for k, x in batch.items()}
        parts.append(np.asarray(run(padded))[: len(batch["index"])])
    return np.concatenate(parts)


def _small(images: jax.Array) -> jax.Array:
    b, h, w, c = images.shape
    if max(h, w) <= 32:
        return images
    return jax.image.resize(images, (b, 32, 32, c), "bilinear")


def _pad(x: np.ndarray, size: int) -> np.ndarray:
    missing = size - len(x)
    return np.concatenate([x, np.repeat(x[:1], missing, axis=0)]) if missing else x


def _place(x: np.ndarray, sharding: NamedSharding) -> jax.Array:
    # Every process reads the whole source; each device takes its rows of it.
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])
