"""The command line as a person meets it: help, mistakes, interruptions, own code."""

import json
import logging
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sslax import stages
from sslax.commands import ending, main, options
from sslax.commands.options import COMMANDS

ROOT = Path(__file__).parent.parent.parent
START = [sys.executable, "-c", "from sslax.commands.main import main; main()"]
TINY = "--config=tests/train/tiny_config.py"


def sslax(*arguments, cwd=ROOT):
    return subprocess.run(
        [*START, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def inside(name, *arguments):
    """Runs a command in this process, which has compiled its parts before."""
    found = options.parse(name, arguments)
    found.say = lambda words: None
    return main.guarded(name, found)


@pytest.fixture
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_lists_the_options_of_a_command_and_an_example(name, capsys):
    with pytest.raises(SystemExit) as ended:
        options.parse(name, ["--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"usage: sslax {name}" in shown
    assert f"example:\n  sslax {name}" in shown
    wanted = {
        "pretrain": ["--workdir", "--allow_config_change", "--config.FIELD=VALUE"]
    }
    assert all(option in shown for option in wanted.get(name, ["--debug"]))
    # Every option says what holds without it.
    listed = shown.partition("\noptions:\n")[2].partition("\n\n")[0]
    said = re.split(r"\n  (?=-)", listed.strip("\n"))[1:]  # but -h
    assert said
    for text in (" ".join(x.split()) for x in said):
        assert re.search(r"\(required\)$|\(default: (?!None|-1).+\)$", text), text


def test_all_commands_are_listed_and_there_is_a_version():
    shown = sslax("--help")
    assert shown.returncode == 0
    assert all(f"  {name} " in shown.stdout for name in COMMANDS)
    assert sslax("--version").stdout.startswith("sslax 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain", TINY], "sslax pretrain: needs: --workdir"),
        (["pretrain", TINY, "--wordir=x"], "no option --wordir: did you mean '--workd"),
        (
            ["plan", TINY, "--topology=x", "--effort=O9"],
            "--effort=O9: did you mean 'O3'",
        ),
        (["embed", "--workdir=x", "--out=y", "more"], "not expected: more"),
        (
            ["evaluate", "--workdir=x", "--step=last"],
            "--step wants a number, or best; got 'last'",
        ),
    ],
)
def test_a_wrong_option_is_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        options.parse(arguments[0], arguments[1:])
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


def test_options_may_have_dashes_and_fields_a_space():
    found = options.parse(
        "pretrain",
        [TINY, "--workdir", "x", "--allow-config-change", "--config.epochs", "3"],
    )
    assert found.allow_config_change
    assert found.overrides == [("epochs", "3")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("--config.method.encoder.stam=3", "convnet has no field 'stam'"),
        ("--config.method.hidden=-3", "hidden must be at least 1; got -3"),
        ("--config.method.dim=0", "dim must be at least 1; got 0"),
        ("--config.optimizer.learning_rate=-1", "learning_rate must be above 0"),
        ("--config.batch_size=0", "batch_size"),
        ("--config.steps_per_call=0", "steps_per_call"),
        ("--config.method.name=nowhere.at_all:method", "nowhere"),
    ],
)
def test_a_mistake_in_a_config_is_a_sentence(
    at_the_root, changes, message, capsys, tmp_path
):
    assert inside("pretrain", TINY, f"--workdir={tmp_path}", changes) == 2
    assert message in capsys.readouterr().err


def test_debug_shows_where(at_the_root):
    with pytest.raises(ValueError, match="no run"):
        inside("evaluate", "--workdir=nowhere", "--debug")


def test_faults_of_the_machine_end_with_one(at_the_root, monkeypatch, capsys):
    for error in (OSError(28, "No space left on device"), FloatingPointError("nan")):

        def fail(*_, error=error):
            raise error

        monkeypatch.setattr(main, "_run", fail)
        assert inside("configs") == 1
        shown = capsys.readouterr().err
        assert f"sslax configs: {error}" in shown
        assert "Traceback" not in shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_first_step_is_answered_at_once(tmp_path, number):
    process = subprocess.Popen(
        [*START, "pretrain", TINY, f"--workdir={tmp_path}/run"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(2.5)  # in the imports, on every machine
    process.send_signal(number)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 128 + number, shown
    assert "sslax pretrain: stopped; " in shown
    assert "Traceback" not in shown


def test_writers_that_find_their_loop_closed_are_quiet(monkeypatch):
    """As after a full disk; whatever else threads raise is shown."""
    shown = []
    monkeypatch.setattr(sys, "excepthook", lambda *given: shown.append(given[1]))
    monkeypatch.setattr(sys, "unraisablehook", lambda x: shown.append(x.exc_value))
    ending.quiet_threads()
    closed, other = RuntimeError("Event loop is closed"), RuntimeError("other")
    for error in (closed, other):
        sys.excepthook(RuntimeError, error, None)
        sys.unraisablehook(SimpleNamespace(exc_value=error))
    assert shown == [other, other]


def test_no_code_comes_from_the_folder_of_a_run(tmp_path, monkeypatch):
    """It may be a stranger's; a config that is given is one's own."""
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.json").write_text("{}")

    def places(folder, *, own_config):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "path", [str(folder), "/elsewhere"])
        main._find_code(own_config=own_config)
        return sys.path

    assert places(run, own_config=False) == ["/elsewhere"]
    assert places(run / "checkpoints", own_config=False) == ["/elsewhere"]
    assert places(run, own_config=True) == [str(run), "/elsewhere"]
    assert places(tmp_path, own_config=False) == [str(tmp_path), "/elsewhere"]


OWN = """
from jax import numpy as jnp

from sslax import kinds, losses, models, nets
from sslax.core import Aux, Method, Net, Objective
from sslax.nets import chain


def encoder(*, width: int = 4) -> Net:
    return models.convnet(widths=(width,))


def method(encoder: Net, *, temperature: float = 0.5) -> Method:
    net = chain(encoder=encoder, projector=models.mlp(hidden=8, dim=4))

    def init(key, batch):
        params, stats = net.init(key, batch["views"][0])
        return params, {"stats": stats}

    def loss(params, extra, batch, *, key, step):
        both = jnp.concatenate(batch["views"])
        out, stats = net.apply(params, extra["stats"], both, train=True, key=key)
        a, b = jnp.split(out["projector"], 2)
        value = losses.nt_xent(a, b, temperature=temperature)
        return value, Aux({"stats": stats}, {})

    return Method(
        init=init,
        objectives={"ssl": Objective(loss=loss)},
        outputs={"features": nets.features_of(net, "encoder")},
    )
"""


def test_own_functions_are_named_by_module(tmp_path, monkeypatch, caplog):
    """A method and a network of the user's, from the folder of the command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_code.py").write_text(OWN)
    config = ROOT / "tests" / "train" / "tiny_config.py"
    with caplog.at_level(logging.INFO, "absl"):
        code = inside(
            "pretrain",
            f"--config={config}",
            f"--workdir={tmp_path}/run",
            "--config.method=dict(name='own_code:method', encoder=dict("
            "name='own_code:encoder'))",
            "--config.method.encoder.width=6",
            "--config.method.temperature=0.3",
            "--config.epochs=1",
            "--config.evaluate.every=0",
        )
    assert code == 0
    kept = json.loads((tmp_path / "run" / "config.json").read_text())
    assert kept["method"] == {
        "name": "own_code:method",
        "encoder": {"name": "own_code:encoder", "width": 6},
        "temperature": 0.3,
    }
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["step"] == 4
    # Something is said at once, and before the first step.
    assert "own_code:method" in caplog.text
    assert "4 steps" in caplog.text


def test_masks_are_written_of_files_and_take_no_options_of_videos(tmp_path, capsys):
    Image.fromarray(np.eye(20, dtype=np.uint8)).save(tmp_path / "x.png")
    masks, images = tmp_path / "masks", f"folder:{tmp_path}"
    assert inside("prepare", images, f"--foreground={masks}") == 0
    assert capsys.readouterr().out.startswith("1 masks of what stands out")
    assert (masks / "x.png").is_file()
    for arguments, message in (
        ((images, f"--foreground={masks}", "--size=3"), "masks take no size"),
        (("objects", f"--foreground={masks}"), "objects/train has no files"),
    ):
        assert inside("prepare", *arguments) == 2
        assert message in capsys.readouterr().err


def test_the_demo_ends_with_a_line_of_results(tmp_path, monkeypatch, capsys):
    """The recipe is found by name, wherever sslax is; it is not trained here."""
    row = {"knn": 85.31, "linear": 89.0, "linear_10_per_class": 74.8}
    results = {"network": row, "raw pixels": {**row, "knn": 80.3}}
    results["random network"] = {"knn": 81.0}
    seen = []

    def trains(config, workdir, *, say):
        seen.append(config["data"]["train"])
        text = json.dumps({"results": results})
        (Path(workdir) / "evaluation.json").write_text(text)
        return len(seen) == 1  # the second is asked to stop

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stages, "run_to_the_end", trains)
    started = time.time() - 100
    assert inside("demo", f"--workdir={tmp_path}", f"--start={started}") == 0
    assert re.fullmatch(
        "demo: knn=85.3 linear=89.0 linear_10_per_class=74.8 raw_pixels=80.3 "
        r"raw_pixels_10_per_class=74.8 random_network=81.0 seconds=10\d\n",
        capsys.readouterr().out,
    )
    assert inside("demo", f"--workdir={tmp_path}") == 0
    assert capsys.readouterr().out == ""
    assert seen == ["fashion_mnist_sample/train"] * 2
