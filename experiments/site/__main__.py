"""Writes the pages of the site, which Sphinx then makes HTML of.

    python -m experiments.site --out=build/docs

`make docs` does both. What is written by hand is docs/*.md and a few files beside it;
all other pages are drawn here from docstrings, configs, references and results.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from experiments import draw_methods_table
from experiments.site import fidelity, links, method_pages, notebooks, reference
from experiments.site.links import ROOT
from experiments.site.pictures import draw

# What the sidebar shows: pages by caption. Pages of docs/ that are in no list follow
# under the last.
SIDEBAR = {
    "Begin": [
        "first_project",
        "notebooks/first_run",
        "notebooks/own_data",
        "notebooks/own_loss",
        "migrate",
    ],
    "Guides": [
        "data",
        "evaluation",
        "add_a_method",
        "finetune",
        "convert",
        "export",
        "captions",
        "backgrounds",
        "translation",
        "agents",
        "pods",
    ],
    "Reference": ["methods/index", "losses", "augment", "reference/index"],
    "What it rests on": ["fidelity", "measured", "reliability"],
    "Project": ["changelog", "contributing", "security"],
}
LANGUAGES = {".py": "python", ".json": "json", ".toml": "toml", ".md": "markdown"}


class Site:
    """The folder of pages, and the files that they link to."""

    def __init__(self, out: Path):
        self.out, self._shown = out, set[str]()

    def write(self, page: str, text: str, source: str) -> None:
        """Writes a page whose links are those of the file `source`."""
        text = links.rewritten(text, source, page, self._file)
        file = self.out / page
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def _file(self, path: str) -> str:
        """The page that shows a file of the repository; "" for a folder."""
        file, page = ROOT / path, f"files/{path}.md"
        if file.is_dir():
            return ""
        if page not in self._shown:
            self._shown.add(page)
            (self.out / page).parent.mkdir(parents=True, exist_ok=True)
            (self.out / page).write_text(_listing(path, file.read_text()))
        return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs")
    out = parser.parse_args().out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    site = Site(out)
    ignored = shutil.ignore_patterns("*.md", "conf.py", "requirements.txt", "_static")
    shutil.copytree(ROOT / "docs", out, ignore=ignored)
    for source in links.sources():
        path = str(source.relative_to(ROOT))
        if path != "README.md":
            text = source.read_text()
            page = links.place(path)
            site.write(page, text + (_sidebar() if page == "index.md" else ""), path)
    site.write("fidelity.md", fidelity.page(), "docs/fidelity.md")
    _write_methods(site)
    _write_reference(site)
    for file in sorted(notebooks.FOLDER.glob("*.py")):
        _write_notebook(site, file)
    print(f"wrote {len(list(out.rglob('*.md')))} pages to {out}")


def _write_methods(site: Site) -> None:
    folder = site.out / "methods" / "pictures"
    folder.mkdir(parents=True)
    names = draw_methods_table.configs()
    for name in names:
        print(f"methods/{name}", flush=True)
        picture = draw(name, folder)
        page = f"methods/{name}.md"
        site.write(page, method_pages.page(name, picture), f"docs/{page}")
    table = draw_methods_table.table().replace("](configs/", "](../../configs/")
    for name in names:
        table = table.replace(f"../../configs/{name}.py", f"{name}.md")
    text = f"# Methods\n\n{table}\n{_toctree('', names, hidden=True)}"
    site.write("methods/index.md", text, "docs/methods/index.md")


def _write_reference(site: Site) -> None:
    for name in reference.MODULES:
        page = f"reference/{name}.md"
        site.write(page, reference.page(name), f"docs/{page}")
    text = "# Modules\n\n" + _toctree("", reference.MODULES)
    site.write("reference/index.md", text, "docs/reference/index.md")


def _write_notebook(site: Site, file: Path) -> None:
    print(f"notebooks/{file.stem}", flush=True)
    text, folder = file.read_text(), site.out / "notebooks"
    with tempfile.TemporaryDirectory() as scratch, _inside(scratch):
        shown = notebooks.run(text)
        page = notebooks.markdown(file.stem, shown, folder)
    (folder / f"{file.stem}.ipynb").write_text(notebooks.jupyter(text))
    site.write(f"notebooks/{file.stem}.md", page, f"docs/notebooks/{file.stem}.md")


@contextlib.contextmanager
def _inside(folder: str):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _sidebar() -> str:
    known = {page for pages in SIDEBAR.values() for page in pages} | {"index"}
    others = [p.stem for p in sorted((ROOT / "docs").glob("*.md"))]
    lists = {**SIDEBAR, "More": [page for page in others if page not in known]}
    return "".join(
        "\n" + _toctree(caption, pages, hidden=True)
        for caption, pages in lists.items()
        if pages
    )


def _toctree(caption: str, pages: list[str], *, hidden: bool = False) -> str:
    options = [f":caption: {caption}"] if caption else []
    options += [":hidden:"] if hidden else []
    return "\n".join(["```{toctree}", *options, "", *pages, "```"]) + "\n"


def _listing(path: str, text: str) -> str:
    language = LANGUAGES.get(Path(path).suffix, "text")
    fence = "`" * 6
    return f"---\norphan: true\n---\n\n# {path}\n\n{fence}{language}\n{text}\n{fence}\n"


if __name__ == "__main__":
    main()
