"""What is released: built, installed into a fresh environment, and tried there."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sslax

ROOT = Path(__file__).parent.parent
UV = [sys.executable, "-m", "uv"]


def test_the_version_is_the_same_wherever_it_stands():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert project["version"] == sslax.__version__
    assert re.search(r"^version: (.*)$", citation, re.M)[1] == sslax.__version__
    assert re.search(r"^## (\S+)", changes, re.M)[1] == sslax.__version__


def done(command, **options):
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **options
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source distribution, and the wheel that is built of it."""
    folder = tmp_path_factory.mktemp("dist")
    done([*UV, "build", "--quiet", f"--out-dir={folder}", ROOT])
    return folder


@pytest.mark.slow
def test_the_demo_begins_from_the_wheel_alone(built, tmp_path):
    """A fresh environment with the locked versions, away from the source."""
    [wheel] = built.glob("*.whl")
    place = tmp_path / "env"
    done([*UV, "venv", "--quiet", "--python", sys.executable, place])
    python = place / "bin" / "python"
    locked = tmp_path / "locked.txt"
    pins = re.findall(r"^[\w.-]+==\S+(?: ; .*[^\\ ])?", requirements(), re.M)
    locked.write_text("\n".join(pins) + "\n")
    install = [*UV, "pip", "install", "--quiet", "--python", python]
    done([*install, wheel, "--constraints", locked])
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    env["SSLAX_DATA_DIR"] = str(tmp_path / "sets")
    program = place / "bin" / "sslax"
    here = {"cwd": tmp_path, "env": env}
    assert done([program, "--version"], **here) == f"sslax {sslax.__version__}\n"
    assert "simclr" in done([program, "configs"], **here)
    fields = {
        "steps": 4,
        "log_every": 2,
        "batch_size": 32,
        "warmup_epochs": 0,
        "evaluate.every": 0,
        "evaluate.final": False,
    }
    run = [program, "pretrain", "--config=demo", f"--workdir={tmp_path / 'run'}"]
    done([*run, *(f"--config.{k}={v}" for k, v in fields.items())], **here)
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 2
    out = tmp_path / "features.csv"
    embed = [program, "embed", f"--workdir={tmp_path / 'run'}", f"--out={out}"]
    done([*embed, "--data=fashion_mnist_sample/test[:20]"], **here)
    assert len(out.read_text().splitlines()) == 21


def requirements():
    return (ROOT / "requirements.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_what_is_locked_can_be_had_for_two_pythons(version, tmp_path):
    """Every locked package has a wheel or a source for it; nothing is installed."""
    command = [*UV, "pip", "install", "--dry-run", "--require-hashes"]
    command += ["--python-version", version, "--target", tmp_path / "none"]
    said = done([*command, "-r", ROOT / "requirements.txt"])
    assert "Would install" in said
    assert "jax==" in said
