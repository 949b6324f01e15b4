"""Links between pages and to files of the repository: found, checked, rewritten."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# Pages of the site that are no files of docs/.
ELSEWHERE = {
    "README.md": "index.md",
    "experiments/README.md": "measured.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
DRAWN = ("docs/fidelity.md", "docs/methods/index.md", "docs/reference/index.md")
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]*`)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?\[(?:[^\]]|\n)*?\])\(([^)\s]+)\)")


def sources() -> list[Path]:
    """The Markdown files whose links are held: all of docs/, and those beside it."""
    pages = sorted((ROOT / "docs").rglob("*.md"))
    return [*(ROOT / name for name in ELSEWHERE), *pages]


def targets(text: str) -> Iterator[str]:
    """Where the links and pictures of a page lead, those to other sites left out.

    Example:
      >>> list(targets("[a](b.md) `[c](d)` ![e](f.png) [g](https://h)"))
      ['b.md', 'f.png']
    """
    for _, target in _LINK.findall(_without_code(text)):
        if not _is_foreign(target):
            yield target


def broken(source: Path) -> list[str]:
    """The links of a Markdown file of the repository that lead nowhere."""
    return [x for x in targets(source.read_text()) if not _leads(source, x)]


def anchors(text: str) -> set[str]:
    """The names of the headings of a page.

    Example:
      >>> anchors("# Losses in blocks, a test")
      {'losses-in-blocks-a-test'}
    """
    starts = re.finditer(r"^#+ ", _without_code(text), re.MULTILINE)
    headings = [text[m.end() :].partition("\n")[0] for m in starts]
    words = (re.sub(r"[^\w\- ]", "", h.strip().lower()) for h in headings)
    return {word.replace(" ", "-") for word in words}


def rewritten(text: str, source: str, page: str, file: Callable[[str], str]) -> str:
    """A page as it stands on the site: every link leads to a page of it.

    Args:
      text: the page in Markdown.
      source: its path in the repository.
      page: its path on the site.
      file: the page that shows a file of the repository; "" for a folder, which has
        none and whose link becomes plain text.

    Returns:
      The same text with other targets.
    """

    def changed(words: str, target: str) -> str:
        if _is_foreign(target) or target.startswith("#"):
            return f"{words}({target})"
        path, sharp, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        there = place(path) or file(path)
        if not there:
            return words[1:-1]
        near = posixpath.relpath(there, posixpath.dirname(page) or ".")
        return f"{words}({near}{sharp}{anchor})"

    out, done = [], 0
    for match in _LINK.finditer(_without_code(text)):
        words = text[match.start(1) : match.end(1)]
        out += [text[done : match.start()], changed(words, match[2])]
        done = match.end()
    return "".join(out) + text[done:]


def place(path: str) -> str:
    """Where a file of the repository stands on the site; "" where it has no page."""
    if path in ELSEWHERE:
        return ELSEWHERE[path]
    if not path.startswith("docs/"):
        return ""
    notebook = path.startswith("docs/notebooks/") and path.endswith(".py")
    page = path.removeprefix("docs/")
    return f"{page.removesuffix('.py')}.md" if notebook else page


def is_drawn(path: str) -> bool:
    """Whether a page of docs/ is made when the site is built."""
    if path in DRAWN:
        return True
    method = re.fullmatch(r"docs/methods/(\w+)\.md", path)
    return method is not None and (ROOT / "configs" / f"{method[1]}.py").exists()


def _leads(source: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (source.parent / path).resolve() if path else source.resolve()
    if not file.is_relative_to(ROOT.resolve()):
        return False
    if is_drawn(str(file.relative_to(ROOT.resolve()))):
        return not anchor
    return file.exists() and (not anchor or anchor in anchors(file.read_text()))


def _without_code(text: str) -> str:
    """The text, as long, with blanks in the place of code."""
    return _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _is_foreign(target: str) -> bool:
    return re.match(r"[a-z]+:", target) is not None
