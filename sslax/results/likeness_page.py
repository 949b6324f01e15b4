"""The page of images that are alike, and its numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from sslax import data, evaluate
from sslax.evaluate.tasks import Pictures, Split
from sslax.results.files_out import whole_file
from sslax.results.report import write_pictures

__all__ = ["Likeness", "write_likeness"]

# What the page shows; the numbers beside it have all.
_ASKED, _GROUPS, _IN_A_GROUP, _PAIRS = 40, 20, 10, 20
_LOADED = 16


class Likeness(NamedTuple):
    """What was found in a data set.

    Attributes:
      rows: the images that asked, [m], rows of what was read.
      cosines: of the nearest others of each, [m k], highest first.
      nearest: rows, [m k].
      duplicates: pairs and groups above the threshold.
      about: numbers in short.
    """

    rows: np.ndarray
    cosines: np.ndarray
    nearest: np.ndarray
    duplicates: evaluate.Duplicates
    about: dict[str, Any]


class _Section(NamedTuple):
    """Rows of images for the page, before they are loaded."""

    heading: str
    text: str
    names: list[str]
    rows: list[np.ndarray]
    captions: list[list[str]]
    apart: bool = False


def write_likeness(
    page: epath.Path, found: Likeness, read: Split, source: data.Source
) -> None:
    """Writes the page, and beside it the numbers as JSON.

    Args:
      page: the HTML file; it is replaced.
      found: what was found.
      read: what was read of the data.
      source: the data.
    """
    with whole_file(page.with_suffix(".json")) as file:
        for line in _lines(found, read, source):
            file.write(line.encode())
    kinds = (_groups, _pairs, _nearest)
    sections = [kind(found, read, source) for kind in kinds]
    wanted = [rows for section in sections for rows in section.rows]
    images = _loaded(read, np.unique(np.concatenate(wanted)))
    pictures = [
        Pictures(
            section.heading,
            section.text,
            [
                (name, [images[row] for row in rows.tolist()])
                for name, rows in zip(section.names, section.rows, strict=True)
            ],
            section.apart,
            section.captions,
        )
        for section in sections
        if section.rows
    ]
    write_pictures(page, title=f"Alike in {source.name}", pictures=pictures)


def _loaded(read: Split, rows: np.ndarray) -> dict[int, np.ndarray]:
    """The pictures of rows: each is read once, and always as many at a time."""
    images: dict[int, np.ndarray] = {}
    for first in range(0, len(rows), _LOADED):
        some = rows[first : first + _LOADED]
        drawn = read.images(np.resize(some, _LOADED))
        images |= zip(some.tolist(), drawn, strict=False)
    return images


def _lines(found: Likeness, read: Split, source: data.Source) -> Iterator[str]:
    """JSON, a line for an entry: all of a large set need not fit into memory."""
    yield json.dumps(found.about, indent=2).removesuffix("\n}")
    yield from _listed("nearest", _of_each(found, read, source))
    pairs, cosines, *_ = found.duplicates
    both = zip(pairs, cosines, strict=True)
    named = ([*_names(source, read, pair), _short(x)] for pair, x in both)
    yield from _listed("listed pairs", named)
    groups = (_names(source, read, group) for group in found.duplicates.groups)
    yield from _listed("listed groups", groups)
    yield "\n}\n"


def _listed(name: str, entries: Iterable[Any]) -> Iterator[str]:
    yield f',\n  "{name}": ['
    for i, entry in enumerate(entries):
        yield f"{',' if i else ''}\n    {json.dumps(entry, ensure_ascii=False)}"
    yield "\n  ]"


def _of_each(
    found: Likeness, read: Split, source: data.Source
) -> Iterator[dict[str, Any]]:
    rows = zip(found.rows, found.nearest, found.cosines, strict=True)
    for row, near, cosines in rows:
        [image] = _names(source, read, row[None])
        names = _names(source, read, near)
        pairs = [[name, _short(x)] for name, x in zip(names, cosines, strict=True)]
        known = {"class": name} if (name := _class(read, row)) else {}
        yield {"image": image, **known, "nearest": pairs}


def _names(source: data.Source, read: Split, rows: np.ndarray) -> list[Any]:
    """What images are called: their files, or their places in the data."""
    places = read.index[rows].tolist()
    return places if source.files is None else [str(source.files[i]) for i in places]


def _class(read: Split, row: np.integer) -> str:
    """The name of the class of an image; empty where it has none."""
    if read.labels is None or read.class_names is None or read.labels[row] < 0:
        return ""
    return str(read.class_names[read.labels[row]])


def _short(x: np.floating) -> float:
    return round(float(x), 6)


def _groups(found: Likeness, read: Split, source: data.Source) -> _Section:
    about, groups = found.about, found.duplicates.groups[:_GROUPS]
    text = (
        f"{about['pairs']} pairs of {about['images']} images have a cosine of "
        f"{about['threshold']:g} or more. What they join, directly or over others, is "
        f"a group: {about['groups']}, of which the {len(groups)} largest are here, of "
        f"{_IN_A_GROUP} images at most. {about.get('note', '')}"
    )
    rows = [group[:_IN_A_GROUP] for group in groups]
    captions = [list(map(str, _names(source, read, some))) for some in rows]
    names = [f"{len(group)} images" for group in groups]
    return _Section("Near-duplicates", text, names, rows, captions)


def _pairs(found: Likeness, read: Split, source: data.Source) -> _Section:
    """Pairs of all cosines: where does it end that they are the same?"""
    pairs, cosines, *_ = found.duplicates
    some = np.linspace(0, len(pairs) - 1, min(len(pairs), _PAIRS)).astype(int)
    names = []
    for i in some:
        classes = {_class(read, row) for row in pairs[i]}
        apart = ", two classes" if len(classes) == 2 and "" not in classes else ""
        names.append(f"{cosines[i]:.4f}{apart}")
    rows = [pairs[i] for i in some]
    captions = [list(map(str, _names(source, read, pair))) for pair in rows]
    text = (
        f"{len(some)} of {len(pairs)} pairs. Where two are no longer the same, there "
        "the threshold should be."
    )
    return _Section("Pairs, highest cosine first", text, names, rows, captions)


def _nearest(found: Likeness, read: Split, source: data.Source) -> _Section:
    count = len(found.rows)
    some = np.linspace(0, count - 1, min(count, _ASKED)).astype(int)
    rows = [np.r_[found.rows[i], found.nearest[i]] for i in some]
    names = [_class(read, found.rows[i]) for i in some]
    captions = []
    for i, of in zip(some, rows, strict=True):
        own, *others = _names(source, read, of)
        said = zip(found.cosines[i], others, strict=True)
        captions.append([str(own), *(f"{x:.4f} {name}" for x, name in said)])
    text = "Each image (first) and the others of highest cosine, nearest first."
    if len(some) < count:
        text += f" {len(some)} of {count}, spread over the data; name those to see."
    return _Section("Nearest images", text, names, rows, captions, apart=True)
