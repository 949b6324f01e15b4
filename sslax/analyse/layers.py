"""Reads every layer of a transformer: how its heads look, what its features are."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from sslax import evaluate
from sslax.core import Net

__all__ = ["MEASURES", "Layers", "Transformer", "depth_of", "outputs_of", "read_layers"]

# Of each head; the unit is in the second word.
MEASURES = {
    "distance": "attention distance, pixels",
    "entropy": "attention entropy, nats",
    "information": "information of queries on keys, 0 to 1",
}


class Transformer(NamedTuple):
    """A transformer that names what each of its blocks gives.

    Attributes:
      name: what it is called.
      net: its outputs are those of `outputs_of`.
      params: parameters.
      stats: batch statistics.
      look: `(key, batch) -> batch` whose first view is what it sees.
      patch_size: side of a patch in pixels.
      depth: the number of blocks.
    """

    name: str
    net: Net
    params: Any
    stats: Any
    look: Callable[..., Any]
    patch_size: int
    depth: int


class Layers(NamedTuple):
    """What was read of the layers of a transformer, the first block first.

    Attributes:
      measures: by the names of `MEASURES`, the mean over images of every head, [heads]
        a layer.
      divergence: KL between heads, nats, [layers].
      features: mean over the patches after each block, [n d] a layer.
      even: the attention distance of a head that looks everywhere alike, pixels.
    """

    measures: dict[str, list[np.ndarray]]
    divergence: np.ndarray
    features: list[np.ndarray]
    even: float


def depth_of(params: Any) -> int:
    """How many blocks with attention the parameters of a transformer have."""
    depth = 0
    for path, leaf in jax.tree.leaves_with_path(params):
        if [getattr(k, "key", None) for k in path[-2:]] == ["qkv", "kernel"]:
            depth += (
                leaf.shape[0] if leaf.ndim == 3 else 1
            )  # scanned blocks are stacked
    return depth


def outputs_of(depth: int) -> tuple[str, ...]:
    """The outputs that a transformer must be made with to be read."""
    return tuple(f"{what}{i}" for i in range(depth) for what in ("block", "attention"))


def read_layers(model: Transformer, batches: Iterable[Mapping[str, Any]]) -> Layers:
    """Reads all layers of a transformer on the images of some batches.

    Attention is between patches: class tokens are dropped, and what they drew is given
    to the others. In windows (Swin) it is read window by window, so that a query looks
    no farther than its window.

    Args:
      model: the transformer.
      batches: as `sslax.data.batches` gives them.

    Returns:
      The layers.

    Raises:
      ValueError: if windows are not square.

    References:
      Xie et al., Revealing the Dark Secrets of Masked Image Modeling, 2022,
      arXiv:2205.13543, section 3.1.
    """
    read = jax.jit(functools.partial(_read, model))
    key, found = jax.random.key(0), []
    for batch in batches:
        found.append(jax.device_get(read(model.params, model.stats, batch, key)))
    whole = [
        {name: np.concatenate([one[i][name] for one in found]) for name in found[0][i]}
        for i in range(model.depth)
    ]
    return Layers(
        measures={
            name: [layer[name].mean(axis=0) for layer in whole] for name in MEASURES
        },
        divergence=np.array([layer["divergence"].mean() for layer in whole]),
        features=[layer["features"] for layer in whole],
        even=float(whole[0]["even"].mean()),
    )


def _read(model, params, stats, batch, key) -> list[dict[str, Array]]:
    """A dict for each block, of `[b ...]`."""
    image = model.look(key, batch)["views"][0]
    outputs, _ = model.net.apply(params, stats, image)
    return [
        _layer(outputs[f"block{i}"], outputs[f"attention{i}"], image, model.patch_size)
        for i in range(model.depth)
    ]


def _layer(block: Array, weights: Array, image: Array, patch_size: int) -> dict:
    images = len(image)
    if weights.ndim == 5:  # [b windows heads n n]
        side = math.isqrt(weights.shape[-1])
        if side * side != weights.shape[-1]:
            raise ValueError(
                f"windows of {weights.shape[-1]} patches are not square; give images "
                "whose grid windows divide"
            )
        grid, cell = (side, side), image.shape[1] / block.shape[1]
        weights = weights.reshape(-1, *weights.shape[2:])
        tokens = block.reshape(images, -1, block.shape[-1])
    else:
        grid = (image.shape[1] // patch_size, image.shape[2] // patch_size)
        tokens, cell = block[:, -grid[0] * grid[1] :], float(patch_size)
    first = weights.shape[-1] - grid[0] * grid[1]
    place = {"grid": grid, "patch_size": cell, "class_tokens": first}
    even = evaluate.patch_distances(grid=grid, patch_size=cell).mean()

    def by_image(values):
        return values.reshape(images, -1, *values.shape[1:]).mean(axis=1)

    one_head = weights.shape[1] < 2  # which has no other to differ from
    divergence = evaluate.head_divergence if not one_head else _no_divergence
    return {
        "distance": by_image(evaluate.attention_distance(weights, **place)),
        "entropy": by_image(evaluate.attention_entropy(weights, class_tokens=first)),
        "information": by_image(
            evaluate.attention_information(weights, class_tokens=first)
        ),
        "divergence": by_image(divergence(weights, class_tokens=first)),
        "features": tokens.mean(axis=1),
        "even": jnp.full(images, even),
    }


def _no_divergence(weights, *, class_tokens):
    del class_tokens
    return jnp.zeros(len(weights))
