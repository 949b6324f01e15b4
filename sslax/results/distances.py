"""How far images are from those of a target domain, in the eyes of another run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath

from sslax import data, evaluate
from sslax.core import State
from sslax.results.weights import are_weights, open_trained
from sslax.train.outputs import outputs_of
from sslax.train.run import Run, on_canvas, open_other, open_source
from sslax.train.workdir import read_config

__all__ = [
    "FLOOR",
    "Judge",
    "distance_rows",
    "distance_table",
    "judge",
    "open_judge",
    "untranslated",
]

FLOOR = "halves of the target"
"""The row of the target's one half against the other."""

_COLUMNS = ("images", "frechet", "kid", "kid_deviation")


class Judge(NamedTuple):
    """A network that reads images, and the images that others are held against.

    Attributes:
      run: what reads: a run, or converted weights.
      state: its state.
      target: images of the target domain.
      name: of the network, in words.
    """

    run: Run
    state: State
    target: data.Source
    name: str


def open_judge(
    encoder: str,
    target: str,
    *,
    image_size: int | None = None,
    normalize: str | None = None,
) -> Judge:
    """Opens a network and images of a target domain, before anything is compared.

    Args:
      encoder: the folder of a run, or of `sslax convert`.
      target: data by their short form, see `sslax.data.parse`.
      image_size: of converted weights, see `open_weights`.
      normalize: of converted weights.

    Returns:
      The judge.

    Raises:
      ValueError: if there is no such run or data, the data have other channels than the
        network takes, or fewer than 4 images.
    """
    run, state = open_trained(
        encoder, train=target, image_size=image_size, normalize=normalize
    )
    run, source = open_other(run, target)
    if len(source) < 4:
        raise ValueError(
            f"{source.name} has {len(source)} images; its halves are compared with each"
            " other, so that 4 are the fewest, and hundreds are wanted"
        )
    return Judge(run, state, source, _named(run, state, encoder))


def _named(run: Run, state: State, folder: str) -> str:
    method = run.config["method"]
    if are_weights(folder):
        return f"{method['encoder']['name']}, converted weights in {folder}"
    return f"{method['name']}, step {int(state.step)} of {folder}"


def untranslated(by: Judge, workdir: str, name: str | None) -> data.Source:
    """The images that a run translates, as the network reads them.

    Args:
      by: from `open_judge`.
      workdir: the folder of the run.
      name: data by their short form; the test images of the run by default.

    Returns:
      The source.

    Raises:
      ValueError: if there is none, or the network takes other channels.
    """
    if name is not None:
        return open_other(by.run, name)[1]
    source = open_source(read_config(workdir), "test")
    on_canvas(by.run, source)
    return source


def judge(
    by: Judge, others: Mapping[str, data.Source], *, out: str | None = None
) -> dict[str, dict[str, float]]:
    """Compares sets of images with the target domain; prints a table.

    Args:
      by: from `open_judge`.
      others: sets by name, such as translations and the images that they are of.
      out: a folder for the numbers, `distances.json`.

    Returns:
      Rows as `distance_rows` gives them.

    Raises:
      ValueError: if images have other channels than the network takes, or cannot be
        compared, see `evaluate.frechet_distance`.
    """
    sets = {name: _features(by, source) for name, source in others.items()}
    target = _features(by, by.target)
    rows = distance_rows(target, sets)
    about = {
        "features": f"{by.name}, {target.shape[1]} dimensions",
        "target": f"{by.target.name}, {len(target)} images",
    }
    if jax.process_index() == 0:
        print(f"to {about['target']}\nby features of {about['features']}")
        print(distance_table(rows))
        if out is not None:
            text = json.dumps({**about, "results": rows}, indent=2) + "\n"
            (epath.Path(out) / "distances.json").write_text(text)
    return rows


def _features(by: Judge, source: data.Source) -> np.ndarray:
    run = on_canvas(by.run, source)
    return outputs_of(run, ("features",))(by.state, source).flat()


def distance_rows(
    target: np.ndarray, others: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Distances of sets of features to those of the target domain.

    Args:
      target: [m d], m at least 4.
      others: [n d] by name.

    Returns:
      By name, and last for two random halves of the target, which are as near as sets
      can be: `images`, how many; `frechet`, `kid` and `kid_deviation`, see
      `evaluate.frechet_distance` and `evaluate.kernel_distance`.

    Raises:
      ValueError: as there.

    Example:
      >>> x = np.random.default_rng(0).normal(size=(80, 4))
      >>> rows = distance_rows(x, {"moved": x + 1})
      >>> [*rows], round(rows["moved"]["frechet"], 2)
      (['moved', 'halves of the target'], 4.0)
    """
    order = np.random.default_rng(0).permutation(len(target))
    one, two = np.sort(order[::2]), np.sort(order[1::2])
    rows = {name: _row(x, target) for name, x in others.items()}
    return {**rows, FLOOR: _row(target[one], target[two])}


def _row(x: np.ndarray, target: np.ndarray) -> dict[str, float]:
    kid = evaluate.kernel_distance(x, target, key=jax.random.key(0))
    values = (len(x), evaluate.frechet_distance(x, target), *kid)
    return dict(zip(_COLUMNS, values, strict=True))


def distance_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Rows of `distance_rows` for the terminal.

    Args:
      rows: numbers by name.

    Returns:
      Lines of text, aligned.

    Example:
      >>> row = {"images": 80, "frechet": 4, "kid": 1.25, "kid_deviation": 0.034}
      >>> print(distance_table({"moved": row}))
             images  frechet           kid
      moved      80        4  1.25 ± 0.034
    """
    cells = [["", "images", "frechet", "kid"]]
    for name, row in rows.items():
        kid = f"{row['kid']:.4g} ± {row['kid_deviation']:.2g}"
        cells.append([name, f"{row['images']:,}", f"{row['frechet']:.4g}", kid])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join([f"{first:<{widths[0]}}", *map("{:>{}}".format, rest, widths[1:])])
        for first, *rest in cells
    )
    return "\n".join(lines)
