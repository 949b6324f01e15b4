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


def draw(name: str, folder: Path) -> str:
    """Draws the views of `NAME:sample`, one picture for each of its stages.

    Args:
      name: of the config.
      folder: where the pictures go, `NAME.png` or `NAME_STAGE.png`.

    Returns:
      Markdown for a page beside the folder: the pictures and their columns.
    """
    config = load_config(f"{name}:sample")
    stages = config if is_staged(config) else {"": config}
    texts = []
    for stage, one in stages.items():
        file = folder / (f"{name}_{stage}.png" if stage else f"{name}.png")
        columns = _columns(one)
        Image.fromarray(grid(columns, side=112)).save(file, optimize=True)
        named = ", ".join(column for column, _ in columns)
        told = f"{'Of the stage ' + stage if stage else 'From the left'}: {named}."
        texts.append(f"![views of {name}]({folder.name}/{file.name})\n\n{told}")
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
