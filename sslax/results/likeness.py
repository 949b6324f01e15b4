"""Which images of a data set are alike: nearest ones of each, and near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from sslax import data, evaluate
from sslax.evaluate.tasks import Split
from sslax.results.files_out import check_out
from sslax.results.likeness_page import Likeness, write_likeness
from sslax.results.weights import open_trained
from sslax.train.outputs import outputs_of
from sslax.train.run import open_asked

__all__ = ["find_likeness"]

# Parts of the images that asked, for the cosines of their nearest ones.
_QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)
# From this share of all pairs on it is the network, and not the images.
_TOO_MANY, _SEVERAL = 0.05, 30


def find_likeness(
    workdir: str,
    out: str,
    *,
    name: str | None = None,
    split: str | None = None,
    images: Sequence[str] = (),
    count: int = 8,
    threshold: float = 0.95,
    step: int | str | None = None,
    image_size: int | None = None,
    normalize: str | None = None,
) -> Likeness:
    """Finds the images that are alike, and writes a page and its numbers.

    Beside the page, under the same name with .json at its end, are the nearest images
    of each that asked, the pairs (10,000 of the highest cosine at most) and the groups.

    Args:
      workdir: the folder of a run, or of `sslax convert`.
      out: the page, HTML.
      name: the data by their short form, see `sslax.data.parse`; the run's own by
        default.
      split: "train" or "test" of the run's own data.
      images: which images ask, see `sslax.data.places_of`; all by default.
      count: how many of the nearest images each is given.
      threshold: the least cosine of near-duplicates.
      step: which checkpoint; the newest by default, or "best".
      image_size: of converted weights, see `open_weights`.
      normalize: of converted weights.

    Returns:
      What was found.

    Raises:
      ValueError: if there is no such run, checkpoint, data or image, or there are fewer
        than two images.
    """
    page = check_out(out, (".html",))
    if count < 1 or not -1 < threshold <= 1:
        raise ValueError(
            "--count is at least 1 and --threshold a cosine, in (-1, 1]; got "
            f"{count} and {threshold}"
        )
    run, state = open_trained(
        workdir, step=step, train=name, image_size=image_size, normalize=normalize
    )
    run, source = open_asked(run, name, split)
    chosen = data.places_of(source, images) if images else None
    read = outputs_of(run, ("features",))(state, source)
    rows = np.arange(len(read.index)) if chosen is None else _rows(read, source, chosen)
    cosines, nearest = evaluate.other_neighbours(read.flat(), rows, k=count)
    pairs = evaluate.near_duplicates(read.flat(), threshold=threshold)
    about = {"data": source.name, "workdir": workdir, "step": int(state.step)}
    about |= _in_short(read, cosines, pairs, threshold)
    found = Likeness(rows, cosines, nearest, pairs, about)
    if jax.process_index() == 0:
        write_likeness(page, found, read, source)
    return found


def _rows(read: Split, source: data.Source, chosen: np.ndarray) -> np.ndarray:
    """Where chosen images stand among those that could be read."""
    rows = np.minimum(np.searchsorted(read.index, chosen), len(read.index) - 1)
    lost = chosen[read.index[rows] != chosen]
    if len(lost):
        where = source.where(int(lost[0]))
        raise ValueError(f"{where} cannot be decoded, and has no neighbours")
    return rows


def _in_short(
    read: Split, cosines: np.ndarray, found: evaluate.Duplicates, threshold: float
) -> dict[str, Any]:
    n = len(read.index)
    parts = np.quantile(cosines[:, 0], _QUANTILES)
    numbers: dict[str, Any] = {
        "images": n,
        "cosine of the nearest image": {
            f"{100 * share:g} %": round(float(x), 6)
            for share, x in zip(_QUANTILES, parts, strict=True)
        },
        "threshold": threshold,
        "pairs": found.count,
        "groups": len(found.groups),
        "images in groups": sum(map(len, found.groups)),
    }
    share = found.count / (n * (n - 1) / 2)
    if share > _TOO_MANY and n > _SEVERAL:
        numbers["note"] = (
            f"{100 * share:.0f} % of all pairs are above the threshold: it is too low "
            "for this network"
        )
    return numbers
