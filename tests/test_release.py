"""What is released: built, installed into a fresh environment, and tried there."""

import os
import re
import shutil
import subprocess
import tomllib

import pytest

import sslax
from tests.fresh import ROOT, UV, Place, build, done


def test_the_version_is_the_same_wherever_it_stands():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert project["version"] == sslax.__version__
    assert re.search(r"^version: (.*)$", citation, re.M)[1] == sslax.__version__
    assert re.search(r"^## (\S+)", changes, re.M)[1] == sslax.__version__


def test_the_demo_begins_from_the_wheel_alone(tmp_path):
    """A fresh environment with the locked versions, away from the source."""
    place = Place(tmp_path)
    place.install(build(tmp_path))
    assert place.run("sslax --version") == f"sslax {sslax.__version__}\n"
    assert "simclr" in place.run("sslax configs")
    fields = {
        "steps": 4,
        "log_every": 2,
        "batch_size": 32,
        "warmup_epochs": 0,
        "evaluate.every": 0,
        "evaluate.final": False,
    }
    given = [f"--config.{k}={v}" for k, v in fields.items()]
    place.run("sslax pretrain --config=demo --workdir=run", *given)
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 2
    embed = "sslax embed --workdir=run --out=features.csv"
    place.run(embed, "--data=fashion_mnist_sample/test[:20]")
    assert len((tmp_path / "features.csv").read_text().splitlines()) == 21


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_what_is_locked_can_be_had_for_two_pythons(version, tmp_path):
    """Every locked package has a wheel or a source for it; nothing is installed."""
    command = [*UV, "pip", "install", "--dry-run", "--require-hashes"]
    command += ["--python-version", version, "--target", tmp_path / "none"]
    said = done([*command, "-r", ROOT / "requirements.txt"])
    assert "Would install" in said
    assert "jax==" in said


# What touches most packages; all tests are run on one Python only.
PART = ("test_calls.py", "test_core.py", "data", "commands/test_commands.py")
PART += ("commands/test_overrides.py", "export", "train/test_loop.py")


@pytest.mark.slow
def test_a_part_of_the_tests_passes_on_a_later_python(tmp_path):
    """On 3.13 with the locked versions, in an environment of its own."""
    ask = ["python3.13", "-c", "import sys; print(sys.executable)"]
    env = os.environ | {"PYENV_VERSION": "3.13"}
    if shutil.which(ask[0]) is None:
        pytest.skip("no python3.13 on this machine")
    found = subprocess.run(ask, capture_output=True, text=True, check=False, env=env)
    if found.returncode:
        pytest.skip(f"python3.13 does not start: {found.stderr.strip()}")
    place = Place(tmp_path, found.stdout.strip())
    install = [*UV, "pip", "install", "--quiet", f"--python={place.venv}"]
    done([*install, "--require-hashes", "-r", ROOT / "requirements.txt"])
    given = " ".join(f"tests/{part}" for part in PART)
    run = f"python -m pytest -n 2 --dist loadgroup --basetemp={tmp_path / 'run'}"
    said = place.run(f"{run} -m 'not slow' {given}", cwd=ROOT)
    assert re.search(r"\d{3} passed", said)
