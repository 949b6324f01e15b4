"""What a person sees while a run goes on."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

__all__ = ["announcement", "progress", "span"]


def announcement(run: Any, start: int) -> str:
    """What is about to be done, before the first step is compiled.

    Args:
      run: the run.
      start: the step that it goes on from.

    Returns:
      A line with the method, the data, the views, the devices, the steps and the
      parameters.
    """
    config, mesh = run.config, run.program.mesh
    sizes = [x.size for x in jax.tree.leaves(run.program.shapes.params)]
    devices = f"{mesh.size} {mesh.devices.flat[0].device_kind} device"
    spec = config["data"]["train"]
    name = spec if isinstance(spec, str) else spec.get("name")
    return (
        f"{config['method']['name']} with {sum(sizes):,} parameters on "
        f"{len(run.loader.source):,} examples of {name}, {_short(config['views'])}; "
        f"batch {config['batch_size']:,} on {devices}{'s' * (mesh.size > 1)}, "
        f"{config['steps'] - start:,} steps{f' after {start:,}' if start else ''}; "
        "compiling"
    )


def _short(call: str | Mapping[str, Any]) -> str:
    """A call without those in it, as `background(replace=remove, ...)`."""
    if isinstance(call, str):
        return call
    plain = {k: v for k, v in call.items() if isinstance(v, (str, int, float))}
    name = plain.pop("name")
    return f"{name}({', '.join(f'{k}={v}' for k, v in plain.items())})"


def span(seconds: float) -> str:
    """A duration in words.

    Args:
      seconds: the duration.

    Returns:
      For example `1 h 02 min`.

    Example:
      >>> span(3725), span(65), span(9)
      ('1 h 02 min', '1 min 05 s', '9 s')
    """
    seconds = round(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    if seconds >= 60:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds} s"


def progress(
    steps: int, *, batch_size: int, show: bool
) -> Callable[[int, Mapping[str, float]], None]:
    """A line on standard error with rate, time left and the newest numbers.

    On a terminal the line is rewritten in place; elsewhere a line is printed at most
    every thirty seconds, so that logs stay short.

    Args:
      steps: steps of the whole run.
      batch_size: images a step.
      show: whether this process speaks at all.

    Returns:
      `(step, scalars)`, to be called whenever there are new numbers.
    """
    last = time.monotonic()
    latest: dict[str, float] = {}
    live = sys.stderr.isatty()

    def update(step: int, scalars: Mapping[str, float]) -> None:
        nonlocal last
        latest.update({k: v for k, v in scalars.items() if _worth(k)})
        now = time.monotonic()
        if not show or (not live and now - last < 30 and step < steps):
            return
        last = now
        rate = scalars.get("images_per_second", 0.0)
        left = span((steps - step) * batch_size / rate) if rate else "?"
        numbers = "  ".join(f"{k} {v:.4g}" for k, v in latest.items())
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        line = f"step {step}/{steps}  {speed} images/s  left {left}  {numbers}"
        if live:
            # A line that wraps cannot be written over.
            line = line[: shutil.get_terminal_size().columns - 1]
            end = "\n" if step >= steps else ""
            print(f"\r\x1b[K{line}", end=end, file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    return update


def _worth(name: str) -> bool:
    return name.endswith(("/loss", "/accuracy")) or name in ("knn", "linear", "return")
