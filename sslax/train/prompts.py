"""Texts that no example has, read by the network of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from sslax.core import State
from sslax.train.run import Run

__all__ = ["prompts"]

_ROWS = 64


def prompts(run: Run) -> Callable[[State, Sequence[str]], np.ndarray] | None:
    """Compiles the reading of texts, for any state of a run.

    Args:
      run: the run.

    Returns:
      `(state, texts) -> float32 [n d]`, in the space that texts share with images; None
      where the method reads no texts, or the config has no tokenizer.
    """
    tokenizer, output = run.tokenizer, run.program.method.outputs.get("text")
    if tokenizer is None or output is None:
        return None
    shapes, mesh = run.program.shapes, run.program.mesh
    layouts = (
        jax.tree.map(lambda leaf: leaf.sharding, tree)
        for tree in (shapes.params, shapes.extra)
    )
    whole = NamedSharding(mesh, PartitionSpec())

    def read(params, extra, rows):
        return output(params, extra, {"text": rows}, key=jax.random.key(0))

    compiled = jax.jit(read, in_shardings=(*layouts, whole), out_shardings=whole)

    def features(state: State, texts: Sequence[str]) -> np.ndarray:
        rows, found = tokenizer(texts), []
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            filled = np.resize(some, (_ROWS, rows.shape[1]))
            made = compiled(state.params, state.extra, filled)
            found.append(np.asarray(made, np.float32)[: len(some)])
        return np.concatenate(found)

    return features
