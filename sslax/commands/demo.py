"""The command `sslax demo`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["line", "run"]

CONFIG = "demo"


def run(options: Any) -> None:
    """Pretrains on the bundled sample, evaluates, reports; ends with a line of results.

    Args:
      options: of the command line; `start` is when the clock started, in seconds of
        Unix time, or None for now.
    """
    from absl import logging

    start = options.start or time.time()
    logging.info("the demo in %s: loading", options.workdir)
    options.say("the same command goes on from the newest checkpoint")
    from sslax.commands.overrides import load_config
    from sslax.stages import run_to_the_end

    config = load_config(CONFIG)
    if not run_to_the_end(config, options.workdir, say=options.say):
        return  # asked to stop, which has been said
    file = Path(options.workdir) / "evaluation.json"
    print(line(json.loads(file.read_text())["results"], time.time() - start))


def line(results: Mapping[str, Mapping[str, float]], seconds: float) -> str:
    """The line of results.

    Args:
      results: numbers of the network, of raw pixels and of the random network.
      seconds: how long it took.

    Returns:
      The line, `demo: knn=... seconds=...`.
    """
    network, pixels = results["network"], results["raw pixels"]
    numbers = {
        "knn": network["knn"],
        "linear": network["linear"],
        "linear_10_per_class": network["linear_10_per_class"],
        "raw_pixels": pixels["knn"],
        "raw_pixels_10_per_class": pixels["linear_10_per_class"],
        "random_network": results["random network"]["knn"],
    }
    listed = " ".join(f"{name}={value:.1f}" for name, value in numbers.items())
    return f"demo: {listed} seconds={seconds:.0f}"
