"""A picture of the views of each config, drawn from the first batch of its sample."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
from PIL import Image

from sslax import calls, data
from sslax.commands.overrides import load_config
from sslax.commands.staged import is_staged
from sslax.kinds import Builder
from sslax.train.pictures import grid, pictures
from sslax.train.run import open_source

IMAGES = 3
ACROSS = 8  # columns of one picture; what there is beyond follows in others


def draw(name: str, folder: Path) -> str:
    """Draws the views of `NAME:sample`, one picture for each of its stages.

    Args:
      name: of the config.
      folder: where the pictures go, as `NAME.png`.

    Returns:
      Markdown for a page beside the folder: the pictures and their columns.
    """
    config = load_config(f"{name}:sample")
    stages = config if is_staged(config) else {"": config}
    texts = []
    for stage, one in stages.items():
        columns = _columns(one)
        named = ", ".join(column for column, _ in columns)
        told = f"{'Of the stage ' + stage if stage else 'From the left'}: {named}."
        stem = f"{name}_{stage}" if stage else name
        for start in range(0, len(columns), ACROSS):
            file = folder / f"{stem}{start // ACROSS or ''}.png"
            shown = columns[start : start + ACROSS]
            Image.fromarray(grid(shown, side=112)).save(file, optimize=True)
            texts.append(f"![views of {name}]({folder.name}/{file.name})")
        texts.append(told)
    return "\n\n".join(texts)


def _columns(config: dict) -> list:
    loader = data.loader(
        open_source(config, "train"),
        batch_size=8,
        seed=config["seed"],
        canvas=config["data"]["canvas"],
        workers=0,
    )
    batch = jax.tree.map(jnp.asarray, dict(loader.batch(0)))
    views = jax.jit(calls.build(config["views"], Builder))
    # Compiling is nearly all of the time: what is drawn once needs no quick code.
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    made = views(jax.random.key(config["seed"]), batch)
    jax.config.update("jax_disable_most_optimizations", before)
    return pictures(jax.device_get(made), images=IMAGES)
