"""Charts as inline SVG: text that a browser draws, in the colours of the page."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

__all__ = ["class_colour", "heat_map", "line_chart", "scatter_chart"]

# The drawing area in SVG units, and the margins for the axes' numbers.
_WIDTH, _HEIGHT = 520, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 14, 12, 30
_PALETTE = 10
_MOST_POINTS = 600


def class_colour(index: int, count: int) -> str:
    """A CSS colour for one of `count` series or classes.

    Args:
      index: which; below 0 is the colour of what has no class.
      count: of how many.

    Returns:
      A variable of the page's palette, or a hue where there are more than it has.
    """
    if index < 0:
        return "var(--quiet)"
    if count <= _PALETTE:
        return f"var(--c{index})"
    return f"hsl({index * 137.508 % 360:.0f} 60% 55%)"


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers in [low, high], about `count` of them."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999) * power
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    if abs(value) < 1e-3:
        return f"{value:.3g}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high == low:
        pad = abs(low) * 0.05 or 0.5
        return low - pad, high + pad
    pad = 0.06 * (high - low)
    return low - pad, high + pad


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    every = -(-len(points) // _MOST_POINTS)
    kept = list(points[::every])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    levels: Mapping[str, float] | None = None,
    label: str = "",
    along: str = "step",
) -> str:
    """Curves over steps.

    Args:
      series: points (step, value) by name, at least one point each, all finite.
      levels: horizontal dashed lines to compare with, by name.
      label: what a screen reader says.
      along: what a step is called.

    Returns:
      An SVG element. With several curves or levels, a legend follows it.
    """
    levels = levels or {}
    series = {name: _thinned(points) for name, points in series.items()}
    steps = [x for points in series.values() for x, _ in points]
    values = [y for points in series.values() for _, y in points]
    x_low, x_high = min(steps), max(steps)
    if x_low == x_high:
        x_low, x_high = x_low - 1, x_high + 1
    y_low, y_high = _range([*values, *levels.values()])
    across, up = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + across * (x - x_low) / (x_high - x_low),
            _TOP + up * (y_high - y) / (y_high - y_low),
        )

    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{html.escape(label)}">'
    ]
    for y in _ticks(y_low, y_high):
        _, down = place(x_low, y)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" '
            f'y1="{down:.1f}" y2="{down:.1f}"/>'
            f'<text x="{_LEFT - 8}" y="{down + 4:.1f}" text-anchor="end">'
            f"{_number(y)}</text>"
        )
    for x in _ticks(x_low, x_high):
        right, _ = place(x, y_low)
        parts.append(
            f'<text x="{right:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">'
            f"{_number(x)}</text>"
        )
    count = len(series) + len(levels)
    for i, y in enumerate(levels.values()):
        _, down = place(x_low, y)
        parts.append(
            f'<line class="level" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{down:.1f}" '
            f'y2="{down:.1f}" stroke="{class_colour(len(series) + i, count)}"/>'
        )
    for i, points in enumerate(series.values()):
        placed = [place(x, y) for x, y in points]
        parts.append(_curve(placed, points, class_colour(i, count), along))
    legend = _legend([*series, *levels]) if count > 1 else ""
    return "".join([*parts, "</svg>", legend])


def _curve(placed, points, colour, along) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    curve = f'<polyline class="curve" points="{path}" stroke="{colour}"/>'
    if len(points) > 40:
        return curve
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}">'
        f"<title>{along} {_number(step)}: {_number(value)}</title></circle>"
        for (x, y), (step, value) in zip(placed, points, strict=True)
    )
    return curve + dots


def _legend(names: Sequence[str]) -> str:
    entries = "".join(
        f'<span><i style="background:{class_colour(i, len(names))}"></i>'
        f"{html.escape(name)}</span>"
        for i, name in enumerate(names)
    )
    return f'<div class="legend">{entries}</div>'


def scatter_chart(
    points: Float[np.ndarray, "n 2"],
    labels: Int[np.ndarray, " n"],
    *,
    class_names: Sequence[str] | None = None,
    label: str = "",
) -> str:
    """Points on a plane, coloured by class.

    Args:
      points: [n 2], any range; one scale for both axes.
      labels: [n]; below 0 is no class.
      class_names: for the legend, which is left out above 20 classes.
      label: what a screen reader says.

    Returns:
      An SVG element and its legend.
    """
    low, span = points.min(axis=0), float(np.ptp(points, axis=0).max()) or 1.0
    size, edge = 600, 10
    placed = edge + (size - 2 * edge) * (points - low) / span
    height = float(placed[:, 1].max()) + edge
    count = max(int(labels.max()) + 1, len(class_names or ()))
    names = class_names or [f"class {i}" for i in range(count)]
    parts = [
        f'<svg class="map" viewBox="0 0 {size} {height:.0f}" role="img" '
        f'aria-label="{html.escape(label)}">'
    ]
    for c in np.unique(labels):
        name = html.escape(names[c]) if c >= 0 else "no label"
        dots = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in placed[labels == c]
        )
        parts.append(
            f'<g fill="{class_colour(int(c), count)}"><title>{name}</title>{dots}</g>'
        )
    legend = _legend(names) if 1 < count <= 20 else ""
    return "".join([*parts, "</svg>", legend])


def heat_map(
    rows: Sequence[Sequence[float]],
    *,
    low: float | None = None,
    high: float | None = None,
    label: str = "",
) -> str:
    """A table of numbers as cells, the darker the larger.

    Args:
      rows: at least one, which may differ in length; all finite.
      low: the value of the lightest cell; the smallest by default.
      high: the value of the darkest cell; the largest by default.
      label: what a screen reader says.

    Returns:
      An SVG element and the range of its values.
    """
    values = [value for row in rows for value in row]
    low = min(values) if low is None else low
    high = max(values) if high is None else high
    side, wide = 18, max(len(row) for row in rows)
    cells = "".join(
        f'<rect x="{j * side}" y="{i * side}" width="{side}" height="{side}" '
        f'fill="var(--accent)" fill-opacity="{_share(value, low, high):.3f}">'
        f"<title>{i + 1}, {j + 1}: {_number(value)}</title></rect>"
        for i, row in enumerate(rows)
        for j, value in enumerate(row)
    )
    return (
        f'<svg class="map" viewBox="0 0 {wide * side} {len(rows) * side}" role="img" '
        f'aria-label="{html.escape(label)}">{cells}</svg>'
        f'<div class="legend">{_number(low)} to {_number(high)}</div>'
    )


def _share(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.5
