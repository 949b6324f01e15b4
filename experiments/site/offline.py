"""Fails if a page of the built site loads anything from elsewhere, or leads nowhere.

python -m experiments.site.offline build/site
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

# What a browser fetches by itself; a link that a reader may follow is none of it.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//[^"' >]+"""
    r"""|<link\b(?![^>]*rel=["']?canonical)[^>]*\bhref=["']?(?:https?:)?//[^"' >]+"""
    r"""|(?:@import|url\()\s*["']?(?:https?:)?//[^"')]+"""
)
_LOCAL = re.compile(r"""\b(?:href|src)="([^"#:?]+)["#?]""")


def foreign(text: str) -> list[str]:
    """What a page or a style sheet fetches from other hosts.

    Example:
      >>> foreign('<img src="a.png"> <a href="https://h/x"> <script src="//h/y.js">')
      ['<script src="//h/y.js']
    """
    return _FETCHED.findall(text)


def missing(page: Path) -> Iterator[str]:
    """What a page refers to in the site and is not there."""
    for target in _LOCAL.findall(page.read_text()):
        if not (page.parent / target).exists():
            yield target


def main() -> None:
    site = Path(sys.argv[1])
    wrong = []
    for file in sorted(p for p in site.rglob("*") if p.suffix in (".html", ".css")):
        wrong += [f"{file}: fetches {x}" for x in foreign(file.read_text())]
        if file.suffix == ".html":
            wrong += [f"{file}: no {x}" for x in missing(file)]
    if wrong:
        sys.exit("\n".join(wrong))
    size = sum(p.stat().st_size for p in site.rglob("*") if p.is_file())
    print(f"{site}: {len(list(site.rglob('*.html')))} pages, {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
