"""Pictures for the report: views, neighbours, the map, reconstructions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from sslax import augment, data, evaluate
from sslax.core import State
from sslax.train.run import Run

__all__ = ["gallery"]

_VIEWS, _QUERIES, _NEIGHBOURS, _POINTS = 8, 8, 6, 2000


def gallery(run: Run, state: State, sources: list, features: list) -> dict[str, Any]:
    """What `write_report` shows of a run.

    Args:
      run: the run.
      state: its state.
      sources: the train and test sources.
      features: features and labels of both.

    Returns:
      The arguments `views`, `neighbours`, `embedding` and `pictures`.
    """
    config = run.config
    key = jax.random.key(config["seed"])
    rows = np.linspace(0, len(sources[0]) - 1, _VIEWS).astype(int)
    batch = _examples(config, sources[0], rows)
    seen = jax.jit(run.program.plain)(key, batch)
    return {
        "views": [_bytes(view) for view in seen["views"]],
        "neighbours": _neighbours(run, sources, features),
        "embedding": _embedding(key, sources[1], features[1]),
        "pictures": _painted(run, state, batch, key),
    }


def _bytes(images: Any) -> np.ndarray:
    return np.asarray(jnp.round(255 * jnp.clip(images, 0.0, 1.0))).astype(np.uint8)


def _neighbours(run: Run, sources: list, features: list):
    """Test images and the training images whose features are nearest."""
    (bank, _), (queries, labels) = features
    rows = np.linspace(0, len(queries) - 1, _QUERIES).astype(int)
    _, nearest = evaluate.neighbours(bank, queries[rows], k=_NEIGHBOURS)
    asked = _pictures(run, sources[1], rows)
    found = _pictures(run, sources[0], np.ravel(nearest))
    names = sources[1].class_names
    titles = None if names is None else [names[i] for i in labels[rows]]
    return asked, found.reshape(_QUERIES, _NEIGHBOURS, *found.shape[1:]), titles


def _examples(config: Mapping[str, Any], source: Any, rows: np.ndarray):
    """Some examples of a source as a batch, the same on every process."""
    examples = [source.load(int(i), config["data"]["canvas"]) for i in rows]
    return {k: jnp.stack([jnp.asarray(x[k]) for x in examples]) for k in examples[0]}


def _pictures(run: Run, source: Any, rows: np.ndarray) -> np.ndarray:
    """Some images of a source as the evaluation view shows them."""
    batch = _examples(run.config, source, rows)
    view = run.program.plain_evaluation
    return _bytes(view(jax.random.key(0), batch)["views"][0])


def _embedding(key: jax.Array, source: data.Source, features: tuple):
    """A map of at most 2,000 test images."""
    x, labels = features
    rows = np.linspace(0, len(x) - 1, min(_POINTS, len(x))).astype(int)
    points = evaluate.embedding_map(x[rows], key=key)
    return points, labels[rows], source.class_names


def _painted(run: Run, state: State, batch: Any, key: jax.Array):
    """What the method paints, by title; none for most methods."""
    if "pictures" not in run.program.method.outputs:
        return None

    def paint(params, extra, batch, key):
        seen = run.program.views(key, batch)
        return run.program.method.outputs["pictures"](params, extra, seen, key=key)

    whole = NamedSharding(run.program.mesh, PartitionSpec())
    paint = jax.jit(paint, out_shardings=whole)
    numbers = jax.tree.map(np.asarray, batch)
    painted = paint(state.params, state.extra, numbers, key)
    return {k: _bytes(_denormalize(run.config, v)) for k, v in painted.items()}


def _denormalize(config: Mapping[str, Any], images: Any) -> Any:
    """Undoes the normalisation of the views, which is affine in each channel."""
    statistics = config["normalize"]
    if statistics is None:
        return images
    pixel = jnp.ones((1, 1, 1, images.shape[-1]))
    zero = augment.normalize(0 * pixel, statistics=statistics)
    one = augment.normalize(pixel, statistics=statistics)
    return (images - zero) / (one - zero)
