"""Configs go by their name, wherever sslax is installed, and say what fields mean."""

import subprocess
import sys
from pathlib import Path

import pytest

from sslax.commands import configs, options, recipes
from sslax.commands.fields import fields_of
from sslax.commands.overrides import load_config

ROOT = Path(__file__).parent.parent.parent


def test_a_config_goes_by_its_name():
    assert load_config("simclr:cifar10") == load_config("configs/simclr.py:cifar10")
    with pytest.raises(ValueError, match=r"'simclar': did you mean 'simclr'\?"):
        load_config("simclar:cifar10")


def test_a_file_of_the_same_name_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "simclr").write_text("")
    assert recipes.config_file("simclr") == Path("simclr")
    assert recipes.config_file("moco") == ROOT / "configs" / "moco.py"


@pytest.mark.parametrize("text", ["simclr:cifar10", "dino:sample", "evolving:sample"])
def test_every_field_of_a_config_is_shown_as_it_is_set(text):
    config = load_config(text)
    fields = {path: (value, meaning) for path, value, meaning in fields_of(config)}
    assert fields["seed"] == (0, "what all that is random starts from")
    top = [path for path in fields if path.count(".") < 2 and "method" not in path]
    for path in top:
        node = config
        for key in path.split("."):
            node = node.get(key, ...) if hasattr(node, "get") else ...
        if node is not ...:
            assert fields[path][0] == node
            assert fields[path][1], f"{path} has no meaning"
    for path in config["method"]:
        assert any(p.startswith(f"method.{path}") for p in fields)


def test_what_a_call_leaves_out_is_shown_at_its_default():
    fields = {field.path: field for field in fields_of(load_config("simclr:cifar10"))}
    assert fields["method.encoder.width"].value == 1
    assert fields["method.encoder.width"].meaning == "multiplies all channels"
    assert fields["optimizer.nesterov"].value is False


def test_own_configs_are_listed_and_broken_ones_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "mine.py").write_text(
        '''"""Mine.

Variants: `small`, `large` (of one recipe (mine), twice), `odd` (else).
"""
from configs import common

def get_config(variant="small"):
    choices = {"small": _one, "large": _one, "odd": lambda: 1 / 0}
    return common.pick(variant, choices)()

def _one():
    config = common.base(examples=10, epochs=1, batch_size=8)
    config.data.train = dict(name="subset", of=dict(name="objects"), fraction=0.1)
    config.method = dict(name="simclr")
    return config
'''
    )
    (tmp_path / "helpers.py").write_text("")
    for name, train in (("open", None), ("tfds", dict(name="tfds", set="pets"))):
        fields = {"seed": 0} if train is None else {"data": {"train": train}}
        text = f"def get_config():\n    return ml_collections.ConfigDict({fields})\n"
        (tmp_path / f"{name}.py").write_text(f"import ml_collections\n{text}")
    configs.run(options.parse("configs", [f"--dir={tmp_path}"]))
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == f"{tmp_path / 'mine.py'}  Mine."
    assert lines[1] == ":small          subset(objects), batch 8"
    assert lines[2] == "small, large: of one recipe (mine), twice"
    assert lines[3] == ":large          subset(objects), batch 8"
    assert lines[4].startswith(":odd            cannot be read: ")
    assert lines[-6] == "else"
    assert lines[-5:] == [
        str(tmp_path / "open.py"),
        "names no data",
        str(tmp_path / "tfds.py"),
        "pets*",
        "* prepared once by `sslax prepare SET`: pets",
    ]


def copied(folder):
    run = options.parse("configs", [f"--copy={folder}"])
    return configs.run(run)


def test_configs_are_copied_and_run_from_there_as_they_are_edited(tmp_path, capsys):
    copied(tmp_path / "mine")
    folder = tmp_path / "mine" / "configs"
    assert f"--config={folder / 'simclr.py'}:sample" in capsys.readouterr().out
    names = {file.name for file in (ROOT / "configs").glob("*.py")}
    assert {file.name for file in folder.iterdir()} == names
    common = folder / "common.py"
    common.write_text(common.read_text().replace("config.seed = 0", "config.seed = 7"))
    code = (
        "from sslax.commands.overrides import load_config;"
        f"print(load_config({str(folder / 'simclr.py')!r} + ':sample')['seed'])"
    )
    command = [sys.executable, "-c", code]
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin", "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=True)
    assert done.stdout == b"7\n"  # though configs of the source are nearer by


def test_nothing_is_copied_over_what_is_there(tmp_path):
    folder = tmp_path / "configs"
    copied(folder)  # of that name: no folder inside
    (folder / "simclr.py").write_text("mine")
    for place in (tmp_path, folder):
        with pytest.raises(ValueError, match="is there already"):
            copied(place)
    assert (folder / "simclr.py").read_text() == "mine"


OWN = """
from configs import common


def get_config():
    return common.base(examples=64, epochs=7, batch_size=16)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What a wheel of the source distribution installs, without what it needs."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = [sys.executable, "-m", "uv"]
    steps = (
        [*uv, "build", "--quiet", f"--out-dir={folder}", str(ROOT)],
        [*uv, "pip", "install", "--quiet", "--no-deps", f"--target={folder / 'site'}"],
    )
    subprocess.run(steps[0], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*steps[1], str(wheel)], check=True)
    return folder / "site"


def test_the_wheel_brings_the_configs_and_the_sample(installed, tmp_path):
    code = (
        "from sslax import data; from sslax.commands.overrides import load_config;"
        "import sslax; print(sslax.__file__);"
        "print(load_config('demo')['data']['train']);"
        "print(len(data.source('fashion_mnist_sample/test')));"
        "print(load_config('own.py')['epochs'])"
    )
    (tmp_path / "own.py").write_text(OWN)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    where, sample, count, epochs = done.stdout.split()
    assert Path(where).is_relative_to(installed)
    assert (sample, count) == ("fashion_mnist_sample/train", "5000")
    assert epochs == "7"  # of a config that is nowhere near those it imports
