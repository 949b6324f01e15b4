"""Configs of one run and of stages, as the command line gives them."""

from pathlib import Path

import pytest

from sslax.commands.options import parse
from sslax.commands.overrides import load_config
from sslax.commands.staged import is_staged, stage_of

CONFIGS = {name: {"method": {"name": name}} for name in ("pretrain", "probe")}


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(Path(__file__).parent.parent.parent)


def test_stages_come_in_their_order_and_their_fields_can_be_set():
    found = load_config(
        "tests/train/staged_config.py",
        [
            ("probe.batch_size", "8"),
            ("student.start", "runs/other:params=extra/teacher"),
        ],
    )
    assert list(found) == ["pretrain", "probe", "student"]
    assert is_staged(found)
    assert found["probe"]["batch_size"] == 8
    assert found["probe"]["steps"] == 8  # follows it
    assert found["pretrain"]["batch_size"] == 16
    assert found["student"]["start"] == ["runs/other:params=extra/teacher"]


@pytest.mark.parametrize(
    ("path", "text", "wanted"),
    [
        ("start", "/runs/a.b-c", ["/runs/a.b-c"]),
        ("start", "gs://bucket/run", ["gs://bucket/run"]),
        ("start", "a:params", ["a:params"]),
        ("start", "('a', 'b:params/projector')", ["a", "b:params/projector"]),
        (
            "start",
            "(dict(run='a', put='params/x'),)",
            [{"run": "a", "put": "params/x"}],
        ),
        ("start.0.run", "a", [{"run": "a"}]),
    ],
)
def test_a_start_is_one_word(path, text, wanted):
    found = load_config("tests/train/tiny_config.py", [(path, text)])
    assert found["start"] == wanted
    assert not is_staged(found)


def test_positions_are_resized_by_a_word():
    found = load_config("tests/train/tiny_config.py", [("fit.resize", "size")])
    assert found["fit"] == {"without": [], "resize": "size", "spread": []}


def test_one_stage_of_a_config():
    assert is_staged(CONFIGS)
    assert not is_staged(CONFIGS["probe"])
    assert stage_of(CONFIGS, "probe") == CONFIGS["probe"]
    assert stage_of(CONFIGS["probe"], None) == CONFIGS["probe"]
    with pytest.raises(ValueError, match="--stage: pretrain, probe"):
        stage_of(CONFIGS, None)
    with pytest.raises(ValueError, match="no stage 'prob': did you mean 'probe'"):
        stage_of(CONFIGS, "prob")
    with pytest.raises(ValueError, match="has no stages; got --stage=probe"):
        stage_of(CONFIGS["probe"], "probe")
    options = parse("plan", ["--config=f.py", "--topology=v5e:2x2", "--stage=probe"])
    assert options.stage == "probe"
