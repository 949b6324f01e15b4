"""The pages of docs/add_a_method.md are run, block by block, in an empty folder."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```python(?: file=(\S+))?\n(.*?)```", re.DOTALL)
MODULES = ("decoupled", "my_config", "my_data", "my_tasks")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield tmp_path
    for name in MODULES:
        sys.modules.pop(name, None)


def test_the_page_runs_from_a_loss_to_an_evaluated_method(folder):
    text = (ROOT / "docs/add_a_method.md").read_text()
    names: dict = {"__name__": "page"}
    for file, code in BLOCK.findall(text):
        if file:
            (folder / file).write_text(code)
        else:
            exec(compile(code, "add_a_method.md", "exec"), names)
    assert int(names["state"].step) == 12
    assert 40 < names["results"]["network"]["knn"] < 100
    assert 40 < names["numbers"]["nearest_mean"] < 100
    assert (folder / "run" / "report.html").exists()


def test_the_loss_of_the_page_leaves_the_positive_pair_out(folder, rng):
    text = (ROOT / "docs/add_a_method.md").read_text()
    code = next(code for file, code in BLOCK.findall(text) if file == "decoupled.py")
    names: dict = {"__name__": "decoupled"}
    exec(code, names)
    z = rng.normal(size=(2, 5, 3)).astype(np.float32)
    unit = z / np.linalg.norm(z, axis=-1, keepdims=True)
    total = 0.0
    for view in range(2):
        for i in range(5):
            score = unit[view, i] @ unit[1 - view, i] / 0.5
            others = [
                np.exp(unit[view, i] @ unit[v, j] / 0.5)
                for v in range(2)
                for j in range(5)
                if j != i
            ]
            total += (np.log(np.sum(others)) - score) / 10
    got = names["decoupled_loss"](*z, temperature=0.5)
    np.testing.assert_allclose(got, total, rtol=1e-5)


TOY = """

def decoupled():
    method = methods.decoupled(encoder(), hidden=8, dim=4)
    return Toy(method, two_views())


TOYS = {f.__name__: f for f in (decoupled,)}
"""

TEST = """
import numpy as np

from sslax.methods._decoupled import decoupled_loss


def test_the_positive_pair_is_left_out():
    z = np.eye(2, dtype=np.float32)
    np.testing.assert_allclose(decoupled_loss(z, z, temperature=1.0), np.log(2) - 1)
"""


@pytest.mark.slow
def test_a_method_of_the_library_touches_five_places(tmp_path):
    """On a copy of the project; the contract and the configs' tests take it up."""
    text = (ROOT / "docs/add_a_method.md").read_text()
    blocks = {file: code for file, code in BLOCK.findall(text) if file}
    project = tmp_path / "project"
    ignored = shutil.ignore_patterns(".*", "workdir", "goldens", "__pycache__")
    shutil.copytree(ROOT, project, ignore=ignored)
    places = set()

    def write(path, change):
        file = project / path
        file.write_text(change(file.read_text() if file.exists() else ""))
        places.add(path)

    write("sslax/methods/_decoupled.py", lambda _: blocks["decoupled.py"])
    write(
        "sslax/methods/__init__.py",
        lambda s: s.replace(
            "\n__all__ = [",
            "from sslax.methods._decoupled import decoupled\n\n__all__ = [\n"
            '    "decoupled",',
            1,
        ).replace("from sslax.methods._decoupled", "\nfrom sslax.methods._decoupled"),
    )
    config = blocks["my_config.py"].replace("decoupled:decoupled", "decoupled")
    title = '"""Decoupled contrastive learning."""\n\n'
    write("configs/decoupled.py", lambda _: title + config)
    write("tests/methods/test_decoupled.py", lambda _: TEST)
    write(
        "tests/toys.py", lambda s: re.sub(r"\nTOYS = .*?\n(?=\n)", TOY, s, flags=re.S)
    )
    assert len(places) == 5
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    command += ["tests/methods/test_decoupled.py", "tests/test_configs.py"]
    command += ["tests/test_contract.py", "-k", "decoupled"]
    done = subprocess.run(
        command, cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "[100%]" in done.stdout
