"""A folder holds one run at a time, of the images that it began with."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from sslax import data
from sslax.train import same_data, workdir
from sslax.train.alone import alone


def test_a_second_run_in_a_folder_is_refused_and_touches_nothing(tmp_path):
    message = rf"in use by another run, process {os.getpid()} on .*: wait for its end"
    with alone(tmp_path):
        before = (tmp_path / ".lock").read_text()
        with pytest.raises(ValueError, match=message), alone(tmp_path):
            pass
        assert (tmp_path / ".lock").read_text() == before
    with alone(tmp_path):  # once the first has ended
        pass


HOLDS = """
import fcntl, sys, time
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("process 7 on another host", file=file, flush=True)
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_that_was_killed_holds_nothing(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, tmp_path / ".lock"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    with pytest.raises(ValueError, match="process 7 on another"), alone(tmp_path):
        pass
    process.kill()
    process.communicate()
    with alone(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()


def test_where_there_are_no_locks_runs_start_all_the_same(tmp_path, monkeypatch):
    def no_locks(number, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with alone(tmp_path), alone(tmp_path):
        pass
    with alone("gs://bucket/run"):
        pass


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(4):
        np.save(folder / f"{i}.npy", np.zeros((2 + i, 2, 3), np.uint8))
    return folder


@pytest.fixture
def begun(tmp_path, images):
    """A run that has a checkpoint, of those images."""
    run = tmp_path / "run"
    workdir.open_workdir(str(run), {})
    same_data.record_data(run, data.folder(path=images))
    (run / "checkpoints" / "2").mkdir(parents=True)
    return run


def test_other_images_are_noticed_and_the_same_ones_pass(begun, images):
    source = data.folder(path=images)
    same_data.check_data(begun, source)
    moved = images.rename(images.with_name("elsewhere"))
    same_data.check_data(begun, data.folder(path=moved))
    (moved / "0.npy").rename(moved / "other.npy")
    with pytest.raises(ValueError, match=r"not those that .*: their names differ"):
        same_data.check_data(begun, data.folder(path=moved))
    (moved / "other.npy").rename(moved / "0.npy")
    np.save(moved / "0.npy", np.zeros((9, 9, 3), np.uint8))
    source = data.folder(path=moved)
    with pytest.raises(ValueError, match=r"sizes differ.*--allow_config_change"):
        same_data.check_data(begun, source)
    same_data.check_data(begun, source, allow=True)
    same_data.record_data(begun, source)  # as a run does that goes on with them
    same_data.check_data(begun, source)


def test_what_is_not_known_of_data_stops_no_run(begun, images):
    source = data.folder(path=images)
    same_data.check_data(begun, dataclasses.replace(source, files=None))
    for damage in ("", "[]", "{"):
        (begun / "data.json").write_text(damage)
        same_data.check_data(begun, source)
    (begun / "data.json").unlink()
    same_data.check_data(begun, source)
