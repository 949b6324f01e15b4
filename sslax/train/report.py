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
from sslax.train.charts import line_chart, scatter_chart

__all__ = ["write_report"]

# Larger pictures are reduced to this side: the report is to be looked at, and sent.
_SIDE = 128

_STYLE = """
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1c2430; --quiet: #68758a;
  --line: #e2e6ec; --accent: #2563c9; --warn: #fff4dd; --warn-ink: #7a4b00;
  --c0: #2f6fd0; --c1: #e07b28; --c2: #2c9c57; --c3: #cf3f4f; --c4: #8458c0;
  --c5: #8a5a44; --c6: #d65fa8; --c7: #6b7280; --c8: #a8a11f; --c9: #1ba3b5; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161c; --card: #1a2029; --ink: #e6eaf0; --quiet: #93a0b4;
  --line: #2b3442; --accent: #7fb0ff; --warn: #3a2e14; --warn-ink: #ffd58a;
  --c0: #6ea8ff; --c1: #ffa25c; --c2: #5fcf8a; --c3: #ff7a86; --c4: #b892f5;
  --c5: #c99a83; --c6: #f794cf; --c7: #aab2c0; --c8: #d6cf5a; --c9: #56d3e3; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; font-weight: 650; margin: 0 0 20px; overflow-wrap: anywhere; }
h2 { font-size: 17px; font-weight: 650; margin: 0 0 4px; }
h3 { font-size: 13px; font-weight: 600; margin: 0 0 6px; }
p { margin: 0 0 14px; color: var(--quiet); max-width: 75ch; }
section { background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; padding: 20px 22px; margin: 0 0 18px; }
.warning { background: var(--warn); color: var(--warn-ink); border: 0; }
.tiles, .charts { display: grid; gap: 14px; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(170px, 1fr));
  margin: 0 0 18px; }
.tiles div { background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; padding: 14px 18px; }
.tiles b { display: block; font-size: 30px; line-height: 1.2; font-weight: 650;
  font-variant-numeric: tabular-nums; }
.tiles span { color: var(--quiet); font-size: 13px; }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 10px; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 500; font-size: 13px; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tbody tr:first-child { font-weight: 650; }
tbody tr:last-child td { border-bottom: 0; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--quiet); font-size: 11px; }
svg.map { max-width: 720px; margin: 0 auto; }
.map circle { fill-opacity: 0.75; }
.grid { stroke: var(--line); }
.level { stroke-dasharray: 5 4; stroke-width: 1.5; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin-top: 8px;
  font-size: 13px; color: var(--quiet); }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px;
  margin-right: 6px; }
.pictures td { border: 0; padding: 3px; text-align: left; font-size: 13px; }
.pictures { width: auto; }
.pictures tbody tr:first-child { font-weight: inherit; }
.pictures td:first-child { padding-right: 14px; color: var(--quiet); }
.queries td:nth-child(2) { padding-right: 22px; }
img { display: block; width: 76px; height: 76px; object-fit: contain;
  border-radius: 4px; background: var(--line); }
img.small { image-rendering: pixelated; }
pre { margin: 10px 0 0; overflow-x: auto; font-size: 12.5px; line-height: 1.45; }
summary { cursor: pointer; font-weight: 650; }
"""


def write_report(
    path: Any,
    *,
    title: str,
    config_text: str,
    history: Sequence[Mapping[str, Any]],
    results: Mapping[str, Mapping[str, float]],
    views: Sequence[np.ndarray],
    neighbours: tuple[np.ndarray, np.ndarray, Sequence[str] | None] | None,
    embedding: tuple[np.ndarray, np.ndarray, Sequence[str] | None] | None,
    pictures: Mapping[str, np.ndarray] | None = None,
    perplexity: float = 30.0,
) -> None:
    """Writes the report of a run: numbers, curves, and what the network sees.

    Args:
      path: the HTML file; it is replaced.
      title: the heading.
      config_text: the resolved config.
      history: rows of metrics.jsonl, each with "step" and scalars.
      results: numbers of `evaluate.evaluate_features` by name, the network first.
      views: uint8 images [b h w c] for every view position, as the loss sees them.
      neighbours: query images [q h w c], their nearest images [q k h w c], and names
        of the queries or None.
      embedding: positions [n 2], labels [n], and names of the classes or None.
      pictures: what the method paints, uint8 images [b h w c] by title.
      perplexity: of the map, to be stated.
    """
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        _tiles(results),
        _warnings(results),
        _results(results),
        _curves(history, results),
        _views(views),
        _painted(pictures),
        _neighbours(neighbours),
        _map(embedding, perplexity),
        f"<section><details><summary>Config</summary><pre>{html.escape(config_text)}"
        "</pre></details></section>",
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )
    epath.Path(path).write_text(page)


def _section(heading: str, text: str, body: str) -> str:
    return f"<section><h2>{heading}</h2><p>{text}</p>{body}</section>"


def _tiles(results: Mapping[str, Mapping[str, float]]) -> str:
    """The first result's headline numbers, each beside the others' best."""
    if not results:
        return ""
    (_, numbers), *others = results.items()
    tiles = []
    for column, heading in (
        ("knn", "kNN"),
        ("linear", "linear"),
        ("linear_10_per_class", "linear, 10 labels per class"),
    ):
        if column not in numbers:
            continue
        beside = [(n[column], name) for name, n in others if column in n]
        against = ""
        if beside:
            best, name = max(beside)
            against = f"<span>{html.escape(name)} {best:.1f} %</span>"
        tiles.append(
            f"<div><span>{heading}</span><b>{numbers[column]:.1f} %</b>{against}</div>"
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _warnings(results: Mapping[str, Mapping[str, float]]) -> str:
    numbers = next(iter(results.values()), {})
    if not {"std", "rankme", "dimensions", "dead", "cosine"} <= set(numbers):
        return ""
    return "".join(
        f'<section class="warning">Warning: {html.escape(sentence)}.</section>'
        for sentence in evaluate.collapse_warnings(numbers)
    )


def _results(results: Mapping[str, Mapping[str, float]]) -> str:
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
    return _section("Results", text, table)


def _points(history: Sequence[Mapping[str, Any]], name: str):
    return [
        (float(row["step"]), float(row[name]))
        for row in history
        if isinstance(row.get(name), int | float) and math.isfinite(row[name])
    ]


def _curves(
    history: Sequence[Mapping[str, Any]], results: Mapping[str, Mapping[str, float]]
) -> str:
    """Losses first, then kNN and linear with the baselines' level, then the rest."""
    names = dict.fromkeys(name for row in history for name in row if name != "step")
    points = {name: _points(history, name) for name in names}
    points = {name: p for name, p in points.items() if p}
    if not points:
        return _section("Curves", "No metrics were logged.", "")
    order = {"knn": 1, "linear": 2}

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


def _image(pixels: np.ndarray) -> str:
    """An image element that holds its own pixels."""
    from PIL import Image

    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    small = max(picture.size) < _SIDE // 2
    if max(picture.size) > _SIDE:
        picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    kind = ' class="small"' if small else ""
    return f'<img{kind} alt="" src="data:image/png;base64,{data}">'


def _pictures(rows: Sequence[tuple[str, Sequence[np.ndarray]]]) -> str:
    """A table of pictures; each row has a name."""
    body = "".join(
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(f"<td>{_image(pixels)}</td>" for pixels in images)
        + "</tr>"
        for name, images in rows
    )
    return (
        f'<div class="wide"><table class="pictures"><tbody>{body}</tbody></table></div>'
    )


def _views(views: Sequence[np.ndarray]) -> str:
    rows = [(f"view {i + 1}", list(images)) for i, images in enumerate(views)]
    text = "What the loss sees: one column per image, one row per view of it."
    return _section("Views", text, _pictures(rows)) if rows else ""


def _painted(pictures) -> str:
    if pictures is None:
        return ""
    rows = [(name, list(x)) for name, x in pictures.items()]
    text = "What the network was given and what it painted, an image a column."
    return _section("Pictures of the method", text, _pictures(rows))


def _neighbours(neighbours) -> str:
    if neighbours is None:
        return ""
    queries, nearest, names = neighbours
    titles = names if names is not None else [""] * len(queries)
    rows = [
        (name, [query, *found])
        for name, query, found in zip(titles, queries, nearest, strict=True)
    ]
    text = (
        "Test images (first column) and the training images whose features have the "
        "highest cosine, nearest first."
    )
    body = _pictures(rows).replace('class="pictures"', 'class="pictures queries"')
    return _section("Nearest neighbours", text, body)


def _map(embedding, perplexity: float) -> str:
    if embedding is None:
        return ""
    points, labels, names = embedding
    text = (
        f"t-SNE (perplexity {perplexity:g}, started from PCA) of {len(points):,} test "
        "features, coloured by class. Neighbourhoods mean something; distances between "
        "groups and their sizes do not."
    )
    chart = scatter_chart(
        np.asarray(points), np.asarray(labels), class_names=names, label="map"
    )
    return _section("Map of the features", text, chart)
