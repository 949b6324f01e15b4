"""The pages of the site: links, code, what is drawn of methods; nothing is built."""

import importlib
import inspect
import json
import re
import shutil
import typing

import pytest

from experiments import draw_methods_table
from experiments.site import __main__ as site
from experiments.site import (
    docstrings,
    fidelity,
    links,
    method_pages,
    notebooks,
    offline,
    reference,
)
from sslax.evaluate import tasks
from tests import fresh

BLOCK = re.compile(r"^```python[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Pages whose blocks of Python run, each page as one program in an empty folder;
# add_a_method.md and first_project.md have tests of their own. The others show what
# needs weights or a run.
RUN = {"agents.md", "backgrounds.md", "data.md", "evaluation.md"}
NOT_RUN = {"add_a_method.md", "convert.md", "export.md", "finetune.md"}
NOT_RUN |= {"first_project.md"}
CONFIGS = draw_methods_table.configs()
# What one line and the arguments say in full.
BRIEF = {"colorization", "localmim", "mae", "simmim"}
PAGES = sorted((links.ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize(
    "source", links.sources(), ids=lambda p: str(p.relative_to(links.ROOT))
)
def test_links_lead_somewhere(source):
    assert links.broken(source) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(links, "ROOT", tmp_path)
    (tmp_path / "other.md").write_text("# A heading, here")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md) [b](other.md#a-heading-here) [c](https://x) `[d](e)`\n"
        "[f](none.md) ![g](none.png) [h](other.md#none) [i](../outside.md)"
    )
    assert links.broken(page) == [
        "none.md",
        "none.png",
        "other.md#none",
        "../outside.md",
    ]


def test_links_lead_to_pages_of_the_site():
    page = (
        "[`a`](../../CHANGELOG.md#x) `[c](d)` [e](#f) [g](../../sslax) [h](https://i)\n"
        "```\n[j](k)\n```\n[b](../../configs/mae.py) ![l](../augment/cut.png) "
        "[m](../notebooks/own_loss.py)"
    )
    wanted = (
        "[`a`](../changelog.md#x) `[c](d)` [e](#f) g [h](https://i)\n"
        "```\n[j](k)\n```\n[b](../files/mae.md) ![l](../augment/cut.png) "
        "[m](../notebooks/own_loss.md)"
    )
    pages = {"configs/mae.py": "files/mae.md", "sslax": ""}
    source, place = "docs/sub/x.md", "sub/x.md"
    assert links.rewritten(page, source, place, pages.__getitem__) == wanted


@pytest.mark.parametrize("name", CONFIGS)
def test_the_page_of_a_method_is_whole(name):
    page = method_pages.page(name, picture="![views](views.png)")
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    wanted = ["Views", "How it works", "Formula", "In Python", "Code", "Config"]
    wanted += ["Published and measured", "Pitfalls", "Beside the released code"]
    lacking = set(wanted) - set(headings)
    assert lacking == ({"How it works"} if name in BRIEF else set())
    module = __import__(f"configs.{name}", fromlist=["get_config"])
    for variant in draw_methods_table.variants(module):
        assert f"`{variant}`" in docstrings.variants(module)
    steps = {
        repository
        for config, repository in draw_methods_table.sources()
        if config == name
    }
    for repository in steps:
        assert f"[{repository}@" in page
    assert not re.search(r"(?<!\[)arXiv:\d", page.partition("## Code")[0])


def test_the_page_of_simclr_has_its_numbers():
    page = method_pages.page("simclr")
    assert "loss = mean_i -log(" in page
    assert "method.temperature = 0.2" in page
    assert "published linear probe 64.5 % at 100 epochs" in page
    assert re.search(r"^\| simclr \| sslax \| 780 \| 84\.5 ", page, re.MULTILINE)
    assert "The official code returns the sum" in page
    assert "SimCLR's code has weight decay in the loss" in page
    assert "_simclr.py](" in page
    assert "_contrast.py](" in page
    assert "return contrast(encoder, projector, loss)" in page


def test_fidelity_counts_what_is_stored():
    for family in fidelity.RESULTS:
        folder = fidelity.GOLDENS / family
        found = fidelity.count(family)
        assert found.cases == len(list(folder.glob("*.npz")))
        assert found.numbers > 1000
        assert found.repositories > 10
    page = fidelity.page()
    assert "Barlow Twins" not in page  # the notes have names of functions
    assert "`barlow_twins`: The released code also keeps running statistics" in page


def test_every_page_is_in_the_sidebar():
    shown = site._sidebar()
    for page in PAGES:
        assert page.stem == "index" or re.search(rf"^{page.stem}$", shown, re.MULTILINE)
    for name in reference.MODULES:
        assert f"sslax.{name}." in reference.page(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_on_pages_runs(page, tmp_path, monkeypatch):
    blocks = BLOCK.findall(page.read_text())
    for code in blocks:
        compile(code, page.name, "exec")
    if page.name not in RUN:
        unknown = f"{page.name} has Python: put it into RUN, or NOT_RUN"
        assert not blocks or page.name in NOT_RUN, unknown
        return
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for code in blocks:
        exec(compile(code, page.name, "exec"), names)


def test_the_page_on_evaluation_names_every_task():
    text = (links.ROOT / "docs" / "evaluation.md").read_text()
    made = {n: inspect.unwrap(getattr(tasks, n)) for n in tasks.__all__}
    functions = {n: f for n, f in made.items() if inspect.isfunction(f)}
    hints = {n: typing.get_type_hints(f) for n, f in functions.items()}
    named = [n for n, hint in hints.items() if hint.get("return") is tasks.Task]
    assert len(named) > 5
    for name in named:
        assert f"`{name}`" in text, name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_names_on_pages_exist(page):
    """Such as `losses.nt_xent(...)`, in code or in prose."""
    modules = "augment|data|evaluate|losses|memory|methods|models|optim|schedules|views"
    text = page.read_text()
    for module, name in re.findall(rf"(?<![\w./-])({modules})\.(\w+)\(", text):
        assert hasattr(importlib.import_module(f"sslax.{module}"), name), name


def test_cells_are_read_run_and_shown(tmp_path, monkeypatch):
    text = "# %% [markdown]\n# # Title\n# Text.\n# %%\nN = 3\nprint(N)\n# %%\nN + 1\n"
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    (tmp_path / "x.py").write_text(text)
    shown = notebooks.run(notebooks.shortened(text, N=5))
    assert [x and (x.printed, x.value) for x in shown] == [None, ("5\n", None), ("", 6)]
    page = notebooks.markdown("x", shown, tmp_path)
    assert page.startswith("# Title\n\nMade of {download}`x.py <x.py>`")
    assert "```python\nN + 1\n```\n\n```text\n6\n```" in page
    kinds = [c["cell_type"] for c in json.loads(notebooks.jupyter(text))["cells"]]
    assert kinds == ["markdown", "code", "code"]
    with pytest.raises(ValueError, match="sets M 0 times"):
        notebooks.shortened(text, M=1)


NOTEBOOKS = sorted(notebooks.FOLDER.glob("*.py"))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_begin_with_a_title_and_compile(file):
    first, *others = notebooks.cells(file.read_text())
    assert re.match(r"# \w.*\n", first.text)
    for cell in others:
        compile(cell.text, file.name, "exec") if cell.is_code else None


def test_the_notebook_on_data_runs_when_shortened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (notebooks.FOLDER / "own_data.py").read_text()
    notebooks.run(notebooks.shortened(text, STEPS=1))


def test_the_notebook_on_a_loss_runs_up_to_its_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (notebooks.FOLDER / "own_loss.py").read_text()
    before, heading, _ = text.partition("# %% [markdown]\n# ## Training")
    assert heading
    (printed,) = [x.printed for x in notebooks.run(before) if x and x.printed]
    assert re.match(r"right pairs \d+\.\d+, wrong pairs", printed)


@pytest.mark.slow
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_run_as_they_are(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = notebooks.run(file.read_text())
    assert any(result and result.printed for result in shown)


@pytest.mark.slow
def test_the_site_is_built_without_warnings(tmp_path):
    """In a copy with an environment of its own: `make docs` installs what builds it."""
    project = tmp_path / "project"
    ignored = shutil.ignore_patterns(".*", "workdir", "build", "dist", "__pycache__")
    shutil.copytree(links.ROOT, project, ignore=ignored)
    fresh.done(["make", "docs"], cwd=project)
    built = project / "build" / "site"
    for name in CONFIGS:
        assert "<img" in (built / "methods" / f"{name}.html").read_text(), name
    for page in PAGES:
        assert (built / f"{page.stem}.html").is_file()
    for file in NOTEBOOKS:
        assert (built / "notebooks" / f"{file.stem}.html").is_file()


def test_what_a_page_fetches_from_elsewhere_is_found(tmp_path):
    local = '<img src="a.png"><a href="https://h/x">x</a><link href="b.css">'
    assert offline.foreign(local) == []
    for text in (
        '<script src="https://h/x.js">',
        '<link rel="stylesheet" href="//h/x.css">',
        "@import 'https://h/f.css'",
        "src: url(https://h/f.woff2)",
    ):
        assert offline.foreign(text), text
    page = tmp_path / "a.html"
    page.write_text('<img src="a.html"><a href="none.html#x">')
    assert list(offline.missing(page)) == ["none.html"]
