"""Numbers are on disk when they are written, and a resumed run has no doubles."""

import importlib
import importlib.machinery
import importlib.util
import struct
import sys
import types

import pytest
from tensorboardX.proto.event_pb2 import Event

from sslax.train import writers
from sslax.train.loop import pretrain
from tests.train.test_loop import tiny


def events(folder):
    """All events of a folder, by the order of its files."""
    found = []
    for file in sorted(folder.glob("events*")):
        data, at = file.read_bytes(), 0
        while at < len(data):
            (size,) = struct.unpack("<Q", data[at : at + 8])
            found.append(Event.FromString(data[at + 12 : at + 12 + size]))
            at += 12 + size + 4
    return found


def points(folder):
    """The steps that TensorBoard shows: a start forgets what comes after its step."""
    steps = []
    for event in events(folder):
        if event.HasField("session_log"):
            steps = [step for step in steps if step < event.step]
        steps += [event.step] * len(event.summary.value)
    return steps


def test_points_are_on_disk_before_the_writer_is_closed(tmp_path):
    writer = writers.tensorboard(tmp_path)
    for step in range(1, 31):
        writer.write(step, {"ssl/loss": 1.0 / step})
        assert points(tmp_path)[-1] == step
    writer.close()
    assert points(tmp_path) == list(range(1, 31))


def test_a_resumed_run_forgets_the_points_after_its_checkpoint(tmp_path):
    for start, stop in ((0, 7), (5, 9)):
        board = writers.tensorboard(tmp_path / "events", start=start)
        rows = writers.jsonl(tmp_path / "metrics.jsonl", start=start)
        both = writers.both(board, rows)
        for step in range(start + 1, stop + 1):
            both.write(step, {"ssl/loss": float(step)})
        both.close()
    assert points(tmp_path / "events") == list(range(1, 10))
    table = writers.read_jsonl(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in table] == list(range(1, 10))
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.fixture
def wandb(monkeypatch):
    """Weights & Biases as far as it is called: what began, and the rows of each run."""
    module = types.ModuleType("wandb")
    module.__spec__ = importlib.machinery.ModuleSpec("wandb", None)
    module.begun, module.rows, module.finished = [], {}, []
    module.errors = types.SimpleNamespace(Error=type("Error", (Exception,), {}))

    def init(*, project, name, id, resume, dir, config):
        module.begun.append((project, name, resume, config["seed"]))
        rows = module.rows.setdefault(id, [])

        def log(scalars, *, step):
            rows.append((step, scalars))

        finish = lambda: module.finished.append(id)  # noqa: E731
        return types.SimpleNamespace(log=log, finish=finish)

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_weights_and_biases_gets_the_rows_of_a_run_and_goes_on_with_it(tmp_path, wandb):
    folder = tmp_path / "tiny"
    config = tiny(steps=4, wandb="project", **{"evaluate.every": 0})
    pretrain(config, str(folder))
    ((name, rows),) = wandb.rows.items()
    table = writers.read_jsonl(folder / "metrics.jsonl")
    assert [{"step": step, **scalars} for step, scalars in rows] == table
    assert [step for step, _ in rows] == [2, 4]
    writers.wandb(folder, project="project", config=config).close()
    assert wandb.begun == [("project", "tiny", "allow", 0)] * 2
    assert wandb.finished == [name] * 2  # one run, though it was begun twice


def test_a_login_that_is_missing_is_said(tmp_path, wandb, monkeypatch):
    def fail(**_):
        raise wandb.errors.Error("api_key not configured")

    monkeypatch.setattr(wandb, "init", fail)
    with pytest.raises(ValueError, match=r"begin: api_key not configured. Log in with"):
        writers.wandb(tmp_path, project="project", config={})


def test_weights_and_biases_is_missed_before_the_run_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'sslax\[wandb\]'"):
        pretrain(tiny(wandb="project"), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
