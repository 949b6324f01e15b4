"""The folder of a run survives kills, refused starts and starts at the same time."""

import json
import threading

import pytest

from sslax.train import workdir

CONFIG = {"seed": 0, "method": {"name": "simclr", "dim": 4}}
OTHER = {"seed": 1, "method": {"name": "simclr", "dim": 4}}


def started(folder, config=CONFIG, step=2):
    """A folder as a run leaves it after its first checkpoint."""
    workdir.open_workdir(str(folder), config)
    workdir.record_config(folder, config)
    saved = folder / "checkpoints" / str(step) / "config"
    saved.mkdir(parents=True)
    (saved / "metadata").write_text(json.dumps(config))
    return folder


def test_opening_a_folder_writes_nothing(tmp_path):
    workdir.open_workdir(str(tmp_path / "run"), CONFIG)
    assert list((tmp_path / "run").iterdir()) == []


def test_a_refused_start_leaves_the_config_as_it_is(tmp_path):
    started(tmp_path)
    with pytest.raises(ValueError, match=r"another config:\n  seed: 0 -> 1"):
        workdir.open_workdir(str(tmp_path), OTHER)
    workdir.open_workdir(str(tmp_path), OTHER, allow_config_change=True)
    assert workdir.read_config(str(tmp_path)) == CONFIG


def test_a_field_that_a_later_version_adds_empty_changes_nothing(tmp_path):
    started(tmp_path)
    workdir.open_workdir(str(tmp_path), {**CONFIG, "wandb": "", "start": ()})
    with pytest.raises(ValueError, match="wandb: absent -> project"):
        workdir.open_workdir(str(tmp_path), {**CONFIG, "wandb": "project"})
    assert workdir.config_differences({"a": None}, {"a": 3}) == ["a: None -> 3"]


def test_a_folder_without_a_checkpoint_is_free(tmp_path):
    workdir.record_config(tmp_path, CONFIG)
    workdir.open_workdir(str(tmp_path), OTHER)


@pytest.mark.parametrize("damage", ["", '{"seed": 0, "meth', "[]"])
def test_a_damaged_config_is_read_from_the_newest_checkpoint(tmp_path, damage):
    started(tmp_path)
    (tmp_path / "config.json").write_text(damage)
    assert workdir.read_config(str(tmp_path)) == CONFIG
    workdir.open_workdir(str(tmp_path), CONFIG)
    with pytest.raises(ValueError, match="seed: 0 -> 1"):
        workdir.open_workdir(str(tmp_path), OTHER)


def test_a_damaged_config_of_a_run_that_never_started_locks_nothing(tmp_path):
    (tmp_path / "config.json").write_text("")
    workdir.open_workdir(str(tmp_path), CONFIG)
    workdir.record_config(tmp_path, CONFIG)
    assert workdir.read_config(str(tmp_path)) == CONFIG


def test_an_equal_config_is_not_written_again(tmp_path):
    workdir.record_config(tmp_path, CONFIG)
    before = (tmp_path / "config.json").stat()
    workdir.record_config(tmp_path, CONFIG)
    after = (tmp_path / "config.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_starts_at_the_same_time_do_not_disturb_each_other(tmp_path):
    started(tmp_path)
    failures = []

    def start(number):
        try:
            for i in range(60):
                config = {**CONFIG, "log_every": number * 100 + i}
                path = str(tmp_path)
                workdir.open_workdir(path, config, allow_config_change=True)
                workdir.record_config(tmp_path, config)
                whole = json.loads((tmp_path / "config.json").read_text())
                assert whole["seed"] == workdir.read_config(path)["seed"] == 0
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoints", "config.json"]
