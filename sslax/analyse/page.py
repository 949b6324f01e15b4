"""The page of an analysis: one HTML file that needs nothing but a browser."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sslax.analyse.layers import MEASURES
from sslax.results.charts import heat_map, line_chart
from sslax.results.style import page

__all__ = ["write_page"]


def write_page(path: Path, numbers: Mapping[str, Any]) -> None:
    """Draws the numbers of `analyse_runs`.

    Args:
      path: the HTML file; it is replaced.
      numbers: as `analyse_runs` returns them.
    """
    runs = numbers["runs"]
    title = "Layer by layer: " + ", ".join(runs)
    parts = [
        _curves(runs, numbers),
        _heads(runs),
        _similarity(numbers["cka"]),
    ]
    path.write_text(page(title, parts))


def _section(heading: str, text: str, charts: Sequence[str]) -> str:
    text = html.escape(text)
    body = "".join(f"<div>{chart}</div>" for chart in charts)
    return (
        f"<section><h2>{heading}</h2><p>{text}</p>"
        f'<div class="charts">{body}</div></section>'
    )


def _titled(title: str, chart: str) -> str:
    return f"<h3>{html.escape(title)}</h3>{chart}"


def _curves(runs: Mapping[str, Any], numbers: Mapping[str, Any]) -> str:
    """A chart for each measure, a curve for each run: the mean over heads."""
    charts = []
    titles = {**MEASURES, "divergence": "KL between heads, nats"}
    titles["linear"] = "linear probe, percent"
    for name, title in titles.items():
        series = {
            run: [(i + 1.0, float(np.mean(x))) for i, x in enumerate(found[name])]
            for run, found in runs.items()
            if name in found
        }
        if not series:
            continue
        even = {found["distance of even attention"] for found in runs.values()}
        levels = {"even attention": even.pop()} if len(even) == 1 else {}
        levels = levels if name == "distance" else {}
        chart = line_chart(series, levels=levels, label=title, along="layer")
        charts.append(_titled(title, chart))
    text = (
        f"Over layers, the first block is 1; means over heads and "
        f"{numbers['images']} images of {numbers['data']}. Attention is between "
        "patches, in pixels of the view that each run evaluates. High divergence: "
        "heads differ. Information 0: all queries look alike."
    )
    return _section("Attention and features", text, charts)


def _heads(runs: Mapping[str, Any]) -> str:
    """How far each head looks: layers down, heads across, sorted."""
    charts = []
    for run, found in runs.items():
        rows = [sorted(heads) for heads in found["distance"]]
        charts.append(_titled(run, heat_map(rows, label=f"{run}: distance of heads")))
    text = "Attention distance of each head in pixels: a row a layer, heads sorted."
    return _section("Heads", text, charts)


def _similarity(cka: Mapping[str, Any]) -> str:
    charts = [
        _titled(pair, heat_map(rows, low=0.0, high=1.0, label=f"CKA of {pair}"))
        for pair, rows in cka.items()
    ]
    text = (
        "Linear CKA between layers, of features that are the mean over patches: layers "
        "of the first run down, of the second across. The estimate is inflated where "
        "images are not many more than dimensions."
    )
    return _section("Similarity of layers", text, charts)
