"""The report of a run: one HTML file that needs nothing but a browser."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from sslax import evaluate
from sslax.evaluate.tasks import Pictures
from sslax.results.charts import line_chart, scatter_chart
from sslax.results.style import page

__all__ = ["write_pictures", "write_report"]

# Larger pictures are reduced to this side: the report is to be looked at, and sent.
_SIDE = 128


def write_report(
    path: Any,
    *,
    title: str,
    config_text: str,
    history: Sequence[Mapping[str, Any]],
    results: Mapping[str, Mapping[str, float]],
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
    pictures: Sequence[Pictures] = (),
    embedding: tuple[np.ndarray, np.ndarray | None, Sequence[str] | None] | None = None,
) -> None:
    """Writes the report of a run: numbers, curves, and what the network sees.

    Args:
      path: the HTML file; it is replaced.
      title: the heading.
      config_text: the resolved config.
      history: rows of metrics.jsonl, each with "step" and scalars.
      results: numbers of tasks by name, the network first.
      notes: what was left out and why.
      warnings: what is wrong with the features.
      pictures: rows of pictures, in order.
      embedding: positions [n 2], labels [n] or None, and names of classes or None.
    """
    parts = [
        _tiles(results),
        _warnings(warnings),
        _results(results, notes),
        _curves(history, results),
        *map(_pictures, pictures),
        _map(embedding),
        f"<section><details><summary>Config</summary><pre>{html.escape(config_text)}"
        "</pre></details></section>",
    ]
    epath.Path(path).write_text(page(title, parts))


def write_pictures(path: Any, *, title: str, pictures: Sequence[Pictures]) -> None:
    """Writes a page of pictures alone.

    Args:
      path: the HTML file; it is replaced.
      title: the heading.
      pictures: rows of pictures, in order.
    """
    epath.Path(path).write_text(page(title, [*map(_pictures, pictures)]))


def _section(heading: str, text: str, body: str) -> str:
    return f"<section><h2>{heading}</h2><p>{text}</p>{body}</section>"


def _tiles(results: Mapping[str, Mapping[str, float]]) -> str:
    """The first result's headline numbers, each beside the others' best."""
    if not results:
        return ""
    (_, numbers), *others = results.items()
    tiles = []
    for column, heading, unit in (
        ("return", "return", ""),
        ("knn", "kNN", " %"),
        ("linear", "linear", " %"),
        ("linear_10_per_class", "linear, 10 labels per class", " %"),
        ("mAP", "mAP", " %"),
        ("miou", "mIoU", " %"),
    ):
        if column not in numbers:
            continue
        beside = [(n[column], name) for name, n in others if column in n]
        against = ""
        if beside:
            best, name = max(beside)
            against = f"<span>{html.escape(name)} {best:.1f}{unit}</span>"
        tiles.append(
            f"<div><span>{heading}</span><b>{numbers[column]:.1f}{unit}</b>{against}</div>"
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _warnings(warnings: Sequence[str]) -> str:
    return "".join(
        f'<section class="warning">Warning: {html.escape(sentence)}.</section>'
        for sentence in warnings
    )


def _results(results: Mapping[str, Mapping[str, float]], notes: Sequence[str]) -> str:
    headings, rows = evaluate.result_table(results)
    head = "".join(f"<th>{html.escape(h)}</th>" for h in headings)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
        for row in rows
    )
    table = (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
    text = (
        "Frozen features, the same protocol for every row. Accuracies in percent; "
        "few-label probes are mean ± deviation over draws of the labels. RankMe counts "
        "the dimensions in use; std is 1 when features are spread evenly, 0 when they "
        "have collapsed; lower uniformity is more even."
    )
    lines = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return _section("Results", text, table + (f"<ul>{lines}</ul>" if lines else ""))


def _points(history: Sequence[Mapping[str, Any]], name: str):
    return [
        (float(row["step"]), float(row[name]))
        for row in history
        if isinstance(row.get(name), int | float) and math.isfinite(row[name])
    ]


def _curves(
    history: Sequence[Mapping[str, Any]], results: Mapping[str, Mapping[str, float]]
) -> str:
    """Losses, then return, kNN and linear with the baselines' level, then the rest."""
    names = dict.fromkeys(name for row in history for name in row if name != "step")
    points = {name: _points(history, name) for name in names}
    points = {name: p for name, p in points.items() if p}
    if not points:
        return _section("Curves", "No metrics were logged.", "")
    order = {"return": 1, "knn": 1, "linear": 2}

    def rank(name: str) -> int:
        return 0 if name.endswith("loss") else order.get(name, 3)

    charts = []
    for name in sorted(points, key=rank):
        levels = {}
        if name in order:
            baselines = list(results.items())[1:]
            levels = {other: n[name] for other, n in baselines if name in n}
        heading = {"knn": "kNN, %", "linear": "linear, %"}.get(name, name)
        chart = line_chart({name: points[name]}, levels=levels, label=heading)
        charts.append(f"<div><h3>{html.escape(heading)}</h3>{chart}</div>")
    body = f'<div class="charts">{"".join(charts)}</div>'
    return _section("Curves", "Over steps of training.", body)


def _image(pixels: np.ndarray, caption: str = "") -> str:
    """An image element that holds its own pixels, with what is said below it."""
    from PIL import Image

    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    small = max(picture.size) < _SIDE // 2
    if max(picture.size) > _SIDE:
        picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    kind = ' class="small"' if small else ""
    said = html.escape(caption)
    below = f'<small title="{said}">{said}</small>' if caption else ""
    return f'<img{kind} alt="{said}" src="data:image/png;base64,{data}">{below}'


def _pictures(pictures: Pictures) -> str:
    """A table of pictures; each row has a name."""
    captions = pictures.captions or [[""] * len(images) for _, images in pictures.rows]
    body = "".join(
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(f"<td>{_image(*one)}</td>" for one in zip(images, said, strict=True))
        + "</tr>"
        for (name, images), said in zip(pictures.rows, captions, strict=True)
    )
    kind = "pictures queries" if pictures.apart else "pictures"
    return _section(
        html.escape(pictures.heading),
        html.escape(pictures.text),
        f'<div class="wide"><table class="{kind}"><tbody>{body}</tbody></table></div>',
    )


def _map(embedding) -> str:
    if embedding is None:
        return ""
    points, labels, names = embedding
    if labels is None:
        labels = np.full(len(points), -1)
    coloured = "" if names is None else ", coloured by class"
    text = (
        f"t-SNE (started from PCA) of the features of {len(points):,} images{coloured}."
        " Neighbourhoods mean something; distances between groups and their sizes do "
        "not."
    )
    chart = scatter_chart(
        np.asarray(points), np.asarray(labels), class_names=names, label="map"
    )
    return _section("Map of the features", text, chart)
