"""What is computed of a batch for an evaluation, before it is compiled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from sslax.kinds import Builder
from sslax.train.run import Run

__all__ = ["PAIR", "PIXELS", "reading", "view_count"]

PAIR, PIXELS = "pair/features", "pixels"


def reading(
    run: Run,
    names: Sequence[str],
    fields: Sequence[str] = (),
    alters: Mapping[str, Builder] | None = None,
) -> Callable:
    """What is computed of a batch, before it is compiled.

    Args:
      run: the run.
      names: of the method's outputs, "pair/features", "N views/features" and "pixels",
        and "KIND/NAME" of those of altered images.
      fields: of the data that are passed on as the evaluation view shows them.
      alters: builders by kind: what is done to a batch before it is seen.

    Returns:
      `(params, extra, batch, key) -> arrays by name`.
    """
    program = run.program
    outputs = program.method.outputs

    def read(params, extra, batch, key):
        shown, seen, made = {"": batch}, {}, {}
        for name in names:
            kind, _, own = name.partition("/")
            kind, own = (kind, own) if alters and kind in alters else ("", name)
            if kind not in shown:
                shown[kind] = alters[kind](key, batch)
            images = shown[kind]
            if own == PIXELS:
                plain = program.plain_evaluation(key, images)
                made[name] = _small(plain["views"][0])
            elif count := view_count(own):
                made[name] = _of_views(program, params, extra, images, key, count)
            else:
                if kind not in seen:
                    seen[kind] = program.evaluation_views(key, images)
                made[name] = outputs[own](params, extra, seen[kind], key=key)
        for name in fields:
            made[name] = _field(program, batch, name, key)
        return made

    return read


def view_count(name: str) -> int:
    """Of how many training views of an image the features are that a name asks for.

    Args:
      name: of an output, as tasks need it.

    Returns:
      The number; 0 where it asks for something else.

    Example:
      >>> view_count("pair/features"), view_count("10 views/features")
      (2, 10)
    """
    if name == PAIR:
        return 2
    found = re.fullmatch(r"(\d+) views/features", name)
    return int(found[1]) if found else 0


def _of_views(program: Any, params, extra, batch: Mapping[str, Any], key, count: int):
    """Features of training views, [b count d], one view after the other."""

    def one(key):
        views = program.views(key, batch)
        return program.method.outputs["features"](params, extra, views, key=key)

    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(count))
    return jnp.moveaxis(jax.lax.map(one, keys), 0, 1)


def _field(program: Any, batch: Mapping[str, Any], name: str, key: Any) -> Any:
    """A mask [b h w] of the data as the evaluation view shows the image."""
    channels = batch["image"].shape[-1]
    mask = jnp.repeat(jnp.float32(batch[name])[..., None], channels, axis=-1)
    seen = program.plain_evaluation(key, {**batch, "image": mask})["views"][0]
    return seen.mean(axis=-1)


def _small(x: Any) -> Any:
    """Images and frames of 32 pixels at most; what is neither as it is."""
    if x.ndim < 4 or max(x.shape[-3:-1]) <= 32:
        return x
    return jax.image.resize(x, (*x.shape[:-3], 32, 32, x.shape[-1]), "bilinear")
