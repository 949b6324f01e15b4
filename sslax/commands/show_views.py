"""A picture of what the loss sees: views, masks, tiles and boxes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from sslax import calls, data
from sslax.commands.overrides import load_config
from sslax.commands.staged import stage_of
from sslax.kinds import Builder
from sslax.train.pictures import grid, pictures
from sslax.train.run import open_source

__all__ = ["run", "show_views"]

_PICTURES = (".png", ".jpg", ".jpeg")


def run(options: Any) -> None:
    """Draws the views of the config of the command line.

    Args:
      options: of the command line.

    Raises:
      ValueError: if the file is not called as a picture, or the config is wrong.
    """
    options.say("nothing was written")
    if Path(options.out).suffix.lower() not in _PICTURES:
        raise ValueError(
            f"the picture is written as PNG or JPEG; got {options.out!r}: name it "
            f"{options.out}.png"
        )
    config = load_config(options.config, options.overrides, follow=True)
    show_views(stage_of(config, options.stage), options.out)


def show_views(config: Mapping[str, Any], out: str) -> None:
    """Draws the views of a config on its first batch into a PNG.

    Args:
      config: the resolved config of a run.
      out: path of the picture.
    """
    from PIL import Image

    d = config["data"]
    loader = data.loader(
        open_source(config, "train"),
        batch_size=min(config["batch_size"], 16),
        seed=config["seed"],
        canvas=d["canvas"],
        workers=0,
    )
    batch = jax.tree.map(jnp.asarray, dict(loader.batch(0)))
    views = calls.build(config["views"], Builder)
    made = jax.jit(views)(jax.random.key(config["seed"]), batch)
    columns = pictures(jax.device_get(made))
    Image.fromarray(grid(columns)).save(out)
    print(f"wrote {out}: {', '.join(name for name, _ in columns)}")
