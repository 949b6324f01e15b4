"""The campaign of experiments/reliability: how it keeps, counts and judges."""

import itertools
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.reliability import __main__ as campaign
from experiments.reliability import code, ends, kills, launch, small
from experiments.reliability.long_run import Sample, judged
from experiments.reliability.trial import Outcome, Trial
from sslax.commands.overrides import load_config
from sslax.train import checkpoints

ROOT = Path(__file__).parent.parent


def test_a_campaign_that_was_stopped_goes_on(tmp_path, capsys):
    rows, ran = tmp_path / "rows.jsonl", []

    def trials(fails):
        for name in ("one", "two", "three"):

            def run(folder, name=name):
                ran.append(name)
                (folder / "left").touch()
                if fails == name:
                    raise OSError("no room")
                return Outcome(True, f"saw {name}")

            yield Trial("kills: moco", name, run)

    first = itertools.islice(trials("two"), 2)
    campaign.run_part("kills", first, rows, tmp_path, again=False)
    assert ran == ["one", "two"]
    assert (tmp_path / "kills" / "kills: moco two" / "left").exists()
    campaign.run_part("kills", trials(""), rows, tmp_path, again=False)
    assert ran == ["one", "two", "three"]
    assert "| kills: moco | 2 of 3 |" in campaign.table(campaign.stored(rows))
    campaign.run_part("kills", trials(""), rows, tmp_path, again=True)
    assert ran == ["one", "two", "three", "two"]
    assert "| kills: moco | 3 of 3 |" in campaign.table(campaign.stored(rows))
    assert [p.name for p in (tmp_path / "kills").iterdir()] == []
    assert "BAD kills: moco two: OSError: no room" in capsys.readouterr().out


def test_a_line_of_the_table_has_what_most_tells():
    rows = [
        {"part": part, "group": part, "name": str(i), "good": i < 2, "note": note}
        for part, notes in (
            ("data", ["decoded"]),
            ("devices", ["near: within 1e-07 of it", "near: within 3e-07 of it"]),
            ("kills", ["at step 3", "at step 5, in a save", "at step 7, in a save"]),
        )
        for i, note in enumerate(notes)
    ]
    assert campaign.table({str(i): row for i, row in enumerate(rows)}).splitlines() == [
        "| trial | ended as it should | seen |",
        "|---|---|---|",
        "| kills | 2 of 3 | 2 in a save |",
        "| devices | 2 of 2 | near: within 3e-07 of it |",
        "| data | 1 of 1 | decoded |",
    ]


def test_kills_go_over_all_methods_and_a_third_aims_at_a_save(tmp_path):
    found = list(kills.trials(tmp_path, 100))
    groups = [trial.group for trial in found]
    assert {group: groups.count(group) for group in groups} == {
        f"kills: {name}": 10 for name in small.METHODS
    }
    assert len({(trial.group, trial.name) for trial in found}) == 100
    assert 30 <= sum("save" in trial.name for trial in found) <= 37


def saved(folder, state, losses, feed=None):
    manager = checkpoints.open_checkpoints(folder)
    checkpoints.save(manager, state, {}, {})
    manager.wait_until_finished()
    manager.close()
    lines = [
        json.dumps({"step": i, "ssl/loss": x, "images_per_second": np.random.rand()})
        for i, x in losses
    ]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_one_bit_and_one_row_tell_runs_apart(tmp_path, monkeypatch):
    from sslax.core import State

    monkeypatch.setattr(ends, "end_of", lambda folder: ends.digests(str(folder)))
    array = np.arange(4, dtype=np.float32)
    other = np.nextafter(array, np.float32(9), where=array == 2, out=array.copy())

    def state(x):
        return State(np.int32(7), {"w": x}, {"queue": array}, {"ssl": ()})

    losses = [(1, 0.5), (2, 0.25)]
    whole = ends.summary(saved(tmp_path / "a", state(array), losses))
    same = saved(tmp_path / "b", state(array), losses)
    assert ends.differences(same, whole) == []
    [told] = ends.differences(saved(tmp_path / "c", state(other), losses), whole)
    assert told.startswith("params/w: float32[4]")
    doubled = saved(tmp_path / "d", state(array), [*losses, (2, 0.25)])
    assert "doubled [2]" in ends.differences(doubled, whole)[0]
    drifted = saved(tmp_path / "e", state(array), [(1, 0.5), (2, 0.26)])
    assert ends.differences(drifted, whole) == ["the row of step 2 differs"]


def looks(**slope):
    first = {"resident": 500.0, "files": 12, "threads": 90, "seconds": 0.002}
    rows = {
        k: first[k] + slope.get(k, 0) * np.maximum(np.arange(100), 20) for k in first
    }
    rows["seconds"] = np.cumsum(rows["seconds"])  # of a step, and of all until then
    return [Sample(i, *(float(rows[k][i]) for k in rows)) for i in range(100)]


@pytest.mark.parametrize(
    ("slope", "flat"),
    [
        ({}, True),
        ({"resident": 0.05}, True),
        ({"resident": 0.2}, False),
        ({"files": 0.1}, False),
        ({"threads": 0.1}, False),
        ({"seconds": 1e-5}, False),
    ],
)
def test_what_grows_is_not_flat(slope, flat):
    assert judged(looks(**slope)).good == flat


def test_too_few_looks_say_nothing():
    assert not judged(looks()[:9]).good


def test_code_that_runs_is_noticed(tmp_path):
    folder = tmp_path / "a stranger's file"
    folder.mkdir()

    def careless(folder, canary):
        pickle.loads(pickle.dumps(code.Canary(canary)))
        return launch.Ended(2, "one sentence", 0.0)

    def careful(folder, canary):
        return launch.Ended(2, "one sentence", 0.0)

    assert not code._watched(careless, folder).good
    assert code._watched(careful, folder).good


@pytest.mark.parametrize("method", ["tokenizer", *small.METHODS])
def test_small_runs_are_of_a_few_seconds(method):
    config = load_config(f"{ROOT}/experiments/reliability/small.py:{method}")
    assert 60 <= config["steps"] <= 64
    assert config["checkpoint"]["every"] == 5


@pytest.mark.slow
def test_a_campaign(tmp_path):
    """A kill of every method, and all the rest."""
    command = [sys.executable, "-m", "experiments.reliability", "--kills=10"]
    command += ["--steps=2000", f"--workdir={tmp_path}"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    bad = [line for line in done.stdout.splitlines() if line.startswith("BAD")]
    assert bad == []
    assert done.stdout.count("| kills: ") == len(small.METHODS)
