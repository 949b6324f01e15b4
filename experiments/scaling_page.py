"""The table and the page of the study of data scaling."""

from __future__ import annotations

import html
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sslax.results.charts import line_chart
from sslax.results.style import page

NUMBERS = ("train_loss", "held_out_loss", "accuracy")
TITLES = {
    "held_out_loss": "held-out loss",
    "train_loss": "training loss",
    "accuracy": "fine-tuned accuracy, %",
}


def means(cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows over seeds, sorted: data, method, size, fraction, length."""
    same: dict[tuple, list[Mapping[str, Any]]] = {}
    for cell in cells:
        names = ("data", "method", "parameters", "size", "fraction", "steps")
        same.setdefault(tuple(cell[name] for name in names), []).append(cell)
    rows = []
    for mark in sorted(same):
        group = same[mark]
        found = {n: float(np.mean([cell[n] for cell in group])) for n in NUMBERS}
        rows.append({**group[0], **found, "seeds": len(group)})
    return rows


def studies(cells: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows whose losses may be compared: of one method on one set."""

    def study(row):
        return f"{row['method']} on {row['data']}"

    return {k: list(rows) for k, rows in itertools.groupby(means(cells), study)}


def curves(rows: Sequence[Mapping[str, Any]], number: str) -> dict[str, list]:
    """Over steps, a curve for each size and fraction."""
    found: dict[str, list] = {}
    for row in rows:
        name = f"{row['size']}, {100 * row['fraction']:g} %"
        found.setdefault(name, []).append((float(row["steps"]), row[number]))
    return found


def rising(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where a longer run is worse on images that it has not seen: overfitting."""
    return [
        name
        for name, points in curves(rows, "held_out_loss").items()
        if points[-1][1] > min(value for _, value in points)
    ]


def remarks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the numbers say of the paper's claims, nothing where they cannot."""
    found = []
    if len({row["steps"] for row in rows}) > 1:
        where = "; ".join(rising(rows)) or "nowhere"
        found.append(f"The longest run has not the least held-out loss: {where}.")
    for number in ("held_out_loss", "train_loss"):
        x, y = ([row[name] for row in rows] for name in (number, "accuracy"))
        if len(rows) > 2 and np.std(x) > 0 and np.std(y) > 0:
            found.append(
                f"Correlation of {TITLES[number]} with accuracy over {len(rows)} rows: "
                f"{np.corrcoef(x, y)[0, 1]:.2f}."
            )
    return found


def _cells(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    names = ["net", "parameters", "images", "steps", "epochs", "training loss"]
    names += ["held-out loss", "gap", "fine-tuned, %"]
    lines = []
    for row in rows:
        epochs = row["steps"] * row["batch_size"] / row["images"]
        lines.append(
            [
                row["size"],
                f"{row['parameters'] / 1e6:.2f} M",
                f"{row['images']:,}",
                f"{row['steps']:,}",
                f"{epochs:,.0f}",
                f"{row['train_loss']:.4f}",
                f"{row['held_out_loss']:.4f}",
                f"{row['held_out_loss'] - row['train_loss']:.4f}",
                f"{row['accuracy']:.1f}",
            ]
        )
    return names, lines


def table(cells: Sequence[Mapping[str, Any]]) -> str:
    """In Markdown, a table for each study."""
    parts = []
    for name, rows in studies(cells).items():
        heads, lines = _cells(rows)
        texts = [" | ".join(line) for line in [heads, ["---"] * len(heads), *lines]]
        shown = "\n".join(f"| {text} |" for text in texts)
        said = "".join(f"\n{text}" for text in remarks(rows))
        parts.append(f"{name}\n\n{shown}\n{said}")
    return "\n\n".join(parts)


def drawn(cells: Sequence[Mapping[str, Any]]) -> str:
    """The page: curves, numbers and what made them."""
    parts = []
    for name, rows in studies(cells).items():
        charts = []
        for number, title in TITLES.items():
            chart = line_chart(curves(rows, number), label=title)
            charts.append(f"<div><h3>{title} over steps</h3>{chart}</div>")
        charts.append(_against(rows))
        text = html.escape(" ".join(remarks(rows)))
        heads, lines = _cells(rows)
        head = "".join(f"<th>{title}</th>" for title in heads)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(x)}</td>' for x in line)}</tr>"
            for line in lines
        )
        parts.append(
            f"<section><h2>{html.escape(name)}</h2><p>{text}</p>"
            f'<div class="charts">{"".join(charts)}</div>'
            f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div></section>"
        )
    made = dict.fromkeys(f"{c['command']}\n{c['machine']}" for c in cells)
    commands = html.escape("\n\n".join(made))
    parts.append(
        "<section><details><summary>Commands and machines</summary>"
        f"<pre>{commands}</pre></details></section>"
    )
    return page("Data scaling in masked image modelling", parts)


def _against(rows: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy over held-out loss, a curve for each net."""
    points: dict[str, list] = {}
    for row in sorted(rows, key=lambda row: row["held_out_loss"]):
        place = row["held_out_loss"], row["accuracy"]
        points.setdefault(row["size"], []).append(place)
    title = "fine-tuned accuracy over held-out loss"
    chart = line_chart(points, label=title, along="held-out loss")
    return f"<div><h3>{title}</h3>{chart}</div>"
