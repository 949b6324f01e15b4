"""The table of the learning race, from stored rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

COLUMNS = {
    "knn": ("kNN", 1),
    "linear": ("linear", 1),
    "ten_labels": ("10 a class", 1),
    "rankme": ("RankMe", 0),
    "images_per_second": ("images/s", 0),
    "seconds": ("seconds", 0),
}


def draw(runs: Iterable[Mapping[str, Any]]) -> str:
    """Tables in Markdown: one for each data set, a row for each method and side.

    Args:
      runs: what `experiments.learning` stored, each with "rows". Of a method and a seed
        the newest run counts, and runs of other steps than the newest do not.

    Returns:
      The lines, of means over seeds; "± d" is the standard deviation, where there are
      several.

    Example:
      >>> row = {"data": "synthetic", "method": "simclr", "row": "sslax", "steps": 9}
      >>> row["knn"] = 84.06
      >>> print(draw([{"rows": [row]}]).splitlines()[-1])
      | simclr | sslax | 9 | 84.1 | - | - | - | - | - |
    """
    tables: dict[str, dict[tuple[str, str], list[Mapping[str, Any]]]] = {}
    for run in runs:
        fresh: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        for row in run["rows"]:
            mark = (row["data"], row["method"], row["row"])
            fresh.setdefault(mark, []).append(row)
        for (source, method, side), rows in fresh.items():
            table = tables.setdefault(source, {})
            older = _others(table.get((method, side), ()), rows)
            table[method, side] = [*older, *rows]
    return "\n\n".join(
        _table(source, _finished(rows)) for source, rows in tables.items()
    )


def _others(older: Iterable[Mapping], newer: Iterable[Mapping]) -> list[Mapping]:
    """Older rows that stand beside newer ones: other seeds, the same steps."""
    seeds = {row.get("seed") for row in newer}
    steps = {row.get("steps") for row in newer}
    return [
        row
        for row in older
        if row.get("seed") not in seeds and row.get("steps") in steps
    ]


def _finished(newest: Mapping[tuple[str, str], list]) -> dict[tuple[str, str], list]:
    """Without methods of which only the random network is there: stopped before it."""
    sides: dict[str, set[str]] = {}
    for method, side in newest:
        sides.setdefault(method, set()).add(side)
    started = {
        method
        for method, all_sides in sides.items()
        if all(side.startswith("random network") for side in all_sides)
    }
    return {key: rows for key, rows in newest.items() if key[0] not in started}


def _table(source: str, newest: Mapping[tuple[str, str], list]) -> str:
    headings = [source, "", "steps", *(name for name, _ in COLUMNS.values())]
    lines = [_line(headings), _line(["---"] * len(headings))]
    # The sides of a method stand together, in the order in which methods came.
    order = list(dict.fromkeys(method for method, _ in newest))
    ranked = sorted(newest.items(), key=lambda item: order.index(item[0][0]))
    for (method, side), rows in ranked:
        steps = {row["steps"] for row in rows if "steps" in row}
        cells = [_cell(rows, name, digits) for name, (_, digits) in COLUMNS.items()]
        lines.append(_line([method, side, _span(steps), *cells]))
    return "\n".join(lines)


def _span(steps: set[int]) -> str:
    if not steps:
        return "-"
    low, high = min(steps), max(steps)
    return str(low) if low == high else f"{low}-{high}"


def _cell(rows: list[Mapping[str, Any]], name: str, digits: int) -> str:
    values = [row[name] for row in rows if name in row]
    if not values:
        return "-"
    text = f"{np.mean(values):.{digits}f}"
    if len(values) > 1:
        text += f" ± {np.std(values, ddof=1):.{digits}f}"
    return text


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
