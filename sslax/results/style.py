"""The look of pages, light and dark."""

from __future__ import annotations

import html
from collections.abc import Iterable

__all__ = ["page"]

STYLE = """
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
.pictures td { vertical-align: top; }
small { display: block; width: 76px; white-space: normal; overflow-wrap: anywhere;
  line-height: 1.25; color: var(--quiet); font-size: 11px; }
ul { margin: 12px 0 0; padding-left: 18px; color: var(--quiet); }
pre { margin: 10px 0 0; overflow-x: auto; font-size: 12.5px; line-height: 1.45; }
summary { cursor: pointer; font-weight: 650; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A page that needs nothing but a browser.

    Args:
      title: the heading, plain text.
      parts: what stands below it, HTML.

    Returns:
      The text of an HTML file.
    """
    title = html.escape(title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{''.join(parts)}</main></body></html>\n"
    )
