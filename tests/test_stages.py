"""Stages: each starts from the one before, is skipped when complete, and resumed."""

import json
import shutil

import jax
import numpy as np
import pytest

from sslax import stages
from sslax.train import checkpoints, loop
from sslax.train.start import encoder_of
from sslax.train.stored import stored, tree_at
from sslax.train.workdir import read_config
from tests.train.staged_config import get_stages

# What is run once for all tests here would else be run once a worker.
pytestmark = pytest.mark.xdist_group("stages")

NAMES = ["pretrain", "probe", "student"]


def configs(**changes):
    made = {k: json.loads(json.dumps(c.to_dict())) for k, c in get_stages().items()}
    for name, change in changes.items():
        made[name] |= change
    return made


def equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def final(folder, path):
    return tree_at(stored(str(folder)), path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert stages.run_stages(configs(), str(folder))
    return folder


def test_every_stage_has_its_folder_and_starts_from_the_one_before(whole):
    assert sorted(p.name for p in whole.iterdir()) == NAMES
    before = final(whole / "pretrain", "params/encoder")
    equal(final(whole / "probe", "params/encoder"), before)  # frozen there
    stats = final(whole / "pretrain", "extra/stats/encoder")
    equal(final(whole / "probe", "extra/stats/encoder"), stats)
    teacher = final(whole / "student", "extra/teacher")
    equal(teacher, final(whole / "probe", "params"))
    equal(final(whole / "student", "extra/teacher_stats/encoder"), stats)


def test_the_network_of_a_run_can_be_taken_up(whole):
    """For fine-tuning, export, maps: by its group, or where another tree has it."""
    image = np.zeros((2, 16, 16, 3), np.float32)
    net, params, stats = encoder_of(str(whole / "pretrain"), output="map")
    equal(params, final(whole / "pretrain", "params/encoder"))
    equal(stats, final(whole / "pretrain", "extra/stats/encoder"))
    shape = jax.eval_shape(net.apply, params, stats, image)[0].shape
    assert len(shape) == 4  # the changed argument
    _, teacher, kept = encoder_of(str(whole / "student"), "extra/teacher/encoder")
    equal((teacher, kept), (params, stats))
    with pytest.raises(ValueError, match=r"no network 'decoder'.*\['encoder'\]"):
        encoder_of(str(whole / "pretrain"), "decoder")
    with pytest.raises(ValueError, match="nothing is stored at 'params/teacher'"):
        encoder_of(str(whole / "student"), "teacher")


def test_the_folder_of_all_stages_names_them(whole):
    with pytest.raises(ValueError, match=r"one of \['pretrain', 'probe', 'student'\]"):
        read_config(str(whole))


def test_what_is_complete_is_not_run_again(whole, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("a complete stage was run")

    monkeypatch.setattr(stages, "pretrain", fail)
    assert stages.run_stages(configs(), str(whole))


@pytest.mark.parametrize("stage", NAMES)
def test_a_kill_in_any_stage_changes_nothing(stage, whole, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    for done in NAMES[: NAMES.index(stage)]:
        shutil.copytree(whole / done, folder / done)
    with monkeypatch.context() as patch:
        _die_after(3, patch)
        with pytest.raises(RuntimeError, match="killed"):
            stages.run_stages(configs(), str(folder))
    assert int(_latest(folder / stage)) == 2
    assert stages.run_stages(configs(), str(folder))
    for name in NAMES:
        for path in ("params", "extra"):
            equal(final(folder / name, path), final(whole / name, path))


def _latest(folder):
    manager = checkpoints.open_checkpoints(folder, read_only=True)
    step = checkpoints.latest_step(manager)
    manager.close()
    return step


def _die_after(steps, patch):
    """The train step fails when it has been called so often."""
    build = loop.build_run

    def dying(config, folder):
        run, count = build(config, folder), iter(range(steps))

        def train_step(*args):
            if next(count, None) is None:
                raise RuntimeError("killed")
            return run.program.train_step(*args)

        return run._replace(program=run.program._replace(train_step=train_step))

    patch.setattr(loop, "build_run", dying)


def test_a_complete_stage_of_another_config_is_refused(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    with pytest.raises(ValueError, match="seed: 0 -> 5"):
        stages.run_stages(configs(pretrain={"seed": 5}), str(tmp_path / "run"))


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("student", "'probe' starts from stage 'student', which comes later"),
        ("probe", "'probe' starts from itself"),
        ("pretrian", r"'pretrian' holds no checkpoints.*stages are \['pretrain'\]"),
    ],
)
def test_a_wrong_start_is_found_before_the_first_stage(start, message, tmp_path):
    made = configs(probe={"start": [start]})
    with pytest.raises(ValueError, match=message):
        stages.run_stages(made, str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
