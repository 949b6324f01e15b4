"""The loop: logs, checkpoints, resuming, and what stops it with a message."""

import errno
import json
import re
import shutil

import jax
import numpy as np
import pytest

from sslax.train import best, checkpoints, workdir, writers
from sslax.train.loop import first_state, pretrain, steps, train
from sslax.train.run import build_run
from tests.train.tiny_config import get_config

# What is run once for all tests here would else be run once a worker.
pytestmark = pytest.mark.xdist_group("loop")


def tiny(**changes):
    config = get_config()
    with config.unlocked():
        config.update_from_flattened_dict(changes)
    return json.loads(json.dumps(config.to_dict()))


def rows(folder):
    return [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]


def equal(a, b):
    a, b = jax.device_get((a, b))
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of 12 steps that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    run, state = pretrain(tiny(), str(folder))
    return folder, run, jax.device_get(state)


def test_a_run_leaves_its_config_numbers_and_checkpoints(whole):
    folder, _, state = whole
    assert int(state.step) == 12
    assert workdir.read_config(str(folder)) == tiny()
    table = rows(folder)
    assert [r["step"] for r in table] == [2, 4, 6, 8, 10, 12]
    assert all(np.isfinite(r["ssl/loss"]) for r in table)
    assert table[0]["ssl/learning_rate"] == pytest.approx(
        0.1 * (1 + np.cos(np.pi / 12)) / 2, rel=1e-5
    )
    assert [r["step"] for r in table if "knn" in r] == [4, 8, 12]
    assert list((folder / "tensorboard").glob("events*"))
    kept = {int(p.name) for p in (folder / "checkpoints").iterdir()}
    assert {8, 10, 12} <= kept


def test_the_best_checkpoint_is_kept_beside_the_newest(tmp_path, whole):
    _, _, state = whole
    for numbers in (
        ((1, 50.0), (2, 90.0), (3, None)),
        ((4, 60.0), (5, None)),  # the run goes on and knows what was best
    ):
        manager = checkpoints.open_checkpoints(tmp_path, keep=1, best="knn")
        log = writers.jsonl(tmp_path / "metrics.jsonl", start=numbers[0][0] - 1)
        for step, knn in numbers:
            numbered = type(state)(np.int32(step), state.params, state.extra, state.opt)
            metrics = None if knn is None else {"knn": knn}
            log.write(step, metrics or {})
            checkpoints.save(manager, numbered, {}, metrics)
            manager.wait_until_finished()
        manager.close()
        log.close()
        kept = {p.name for p in (tmp_path / "checkpoints").iterdir()}
        assert kept == {"2", str(numbers[-1][0])}
    assert best.best_step(manager, "knn") == 2
    assert best.best_step(manager, "rankme") is None


def test_resuming_in_the_middle_of_an_epoch_is_exact(whole, tmp_path):
    _, _, state = whole
    first = tiny(steps=12)
    run = build_run(first)
    assert run.loader.steps_per_epoch == 4

    _stopped_after(7, run, tmp_path)
    _, resumed = pretrain(first, str(tmp_path))
    equal(resumed, state)
    # The rows after the checkpoint at step 6 were written again, not twice.
    assert [r["step"] for r in rows(tmp_path)] == [2, 4, 6, 8, 10, 12]


def _stopped_after(calls, run, folder):
    """Trains until the step has been called so often, then dies without saving."""

    class Died(Exception):
        pass

    count = iter(range(calls))

    def train_step(*args):
        if next(count, None) is None:
            raise Died
        return run.program.train_step(*args)

    dying = run._replace(program=run.program._replace(train_step=train_step))
    with pytest.raises(Died):
        train(dying, workdir.open_workdir(str(folder), run.config))


def test_steps_can_be_turned_without_files(whole):
    _, run, state = whole
    seen = [(step, m) for step, _, m in steps(run, first_state(run), stop=3)]
    assert [step for step, _ in seen] == [1, 2, 3]
    assert all(np.isfinite(float(m["ssl/loss"])) for _, m in seen)
    *_, (step, last, _) = steps(run, first_state(run))
    assert step == 12
    equal(last, state)


def test_restores_onto_fewer_devices(whole, tmp_path):
    folder, run, state = whole
    assert run.program.mesh.size == 8
    manager = checkpoints.open_checkpoints(folder, read_only=True)
    for count in (2, 1):
        device = jax.sharding.Mesh(
            np.array(jax.devices()[:count]).reshape(count, 1), ("data", "fsdp")
        )
        sharding = jax.sharding.NamedSharding(device, jax.sharding.PartitionSpec())
        target = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),  # noqa: B023
            state,
        )
        restored = checkpoints.restore(manager, 12, target)
        assert restored.params["encoder"]["bn1"]["scale"].sharding == sharding
        equal(restored, state)
    manager.close()


def test_a_checkpoint_of_another_type_is_refused(whole):
    folder, run, _ = whole
    manager = checkpoints.open_checkpoints(folder, read_only=True)
    target = jax.tree.map(
        lambda s: (
            jax.ShapeDtypeStruct(s.shape, "float16", sharding=s.sharding)
            if s.dtype == np.float32
            else s
        ),
        run.program.shapes,
    )
    with pytest.raises(ValueError, match=r"float32\[.*the run wants float16"):
        checkpoints.restore(manager, 12, target)
    manager.close()


@pytest.mark.parametrize("file", ["_METADATA", "_CHECKPOINT_METADATA"])
def test_a_checkpoint_without_its_description_is_damaged_not_of_another_run(
    whole, tmp_path, file
):
    folder, run, _ = whole
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    for found in (copy / "checkpoints" / "12").rglob(file):
        found.unlink()
    manager = checkpoints.open_checkpoints(copy)
    restored = checkpoints.restore_latest(manager, run.program.shapes)
    manager.close()
    assert int(restored.step) == (10 if file == "_METADATA" else 12)
    assert (copy / "damaged" / "12").exists() == (file == "_METADATA")


def test_what_another_process_cannot_read_is_damaged_for_all(
    whole, tmp_path, monkeypatch
):
    folder, run, _ = whole
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    manager = checkpoints.open_checkpoints(copy)
    others = iter(["its part of the array is cut off", ""])
    monkeypatch.setattr(checkpoints, "gathered", lambda text: [text, next(others)])
    restored = checkpoints.restore_latest(manager, run.program.shapes)
    assert int(restored.step) == 10
    assert (copy / "damaged" / "12").exists()
    others = iter(["outside UNAVAILABLE"])
    with pytest.raises(OSError, match=r"another process cannot read .*UNAVAILABLE"):
        checkpoints.restore_latest(manager, run.program.shapes)
    manager.close()
    assert not (copy / "damaged" / "10").exists()


def test_a_storage_that_does_not_answer_is_not_damage(whole, tmp_path, monkeypatch):
    folder, run, _ = whole
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    manager = checkpoints.open_checkpoints(copy)
    for error in (
        OSError(errno.EIO, "Input/output error"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        ValueError("UNAVAILABLE: Error reading gs://bucket"),
    ):

        def read(item, wanted, error=error):
            raise error

        monkeypatch.setattr(checkpoints, "_read", read)
        with pytest.raises(type(error), match=re.escape(str(error))):
            checkpoints.restore_latest(manager, run.program.shapes)
    manager.close()
    assert not (copy / "damaged").exists()


# A failed read leaves threads of Orbax behind, which complain when they are collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_damaged_newest_checkpoint_falls_back(whole, tmp_path, caplog):
    folder, _, state = whole
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    for file in (copy / "checkpoints" / "12").rglob("*"):
        if file.is_file() and "metadata" not in file.name.lower():
            file.write_bytes(b"damaged")
    _, resumed = pretrain(tiny(), str(copy))
    assert "cannot be restored" in caplog.text
    assert "falling back" in caplog.text
    assert (copy / "damaged" / "12").exists()
    equal(resumed, state)


def test_a_checkpoint_of_another_network_is_refused_not_moved_aside(whole, tmp_path):
    folder, *_ = whole
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    wider = tiny()
    wider["method"]["dim"] = 6
    with pytest.raises(ValueError, match=r"32\[4\], the run wants float32\[6\]"):
        pretrain(wider, str(copy), allow_config_change=True)
    assert (copy / "checkpoints" / "12").exists()


def test_a_folder_of_another_config_is_refused(whole):
    folder, _, _ = whole
    with pytest.raises(ValueError, match="another config") as error:
        pretrain(tiny(seed=1, log_every=4), str(folder))
    assert "seed: 0 -> 1" in str(error.value)
    assert "log_every: 2 -> 4" in str(error.value)
    assert "--allow_config_change" in str(error.value)


def test_a_loss_that_is_not_finite_stops_with_the_last_good_checkpoint(tmp_path):
    good = tiny(steps=4, **{"evaluate.every": 0})
    pretrain(good, str(tmp_path))
    bad = tiny(steps=8, **{"evaluate.every": 0, "optimizer.learning_rate": 1e38})
    with pytest.raises(FloatingPointError, match=r"step \d+; the last good.*step 4 in"):
        pretrain(bad, str(tmp_path), allow_config_change=True)
    assert {p.name for p in (tmp_path / "checkpoints").iterdir()} == {"2", "4"}
    assert rows(tmp_path)[-1]["step"] == 4


def test_a_last_step_that_breaks_the_state_fails(tmp_path):
    # The loss and the gradient of the last step are those of the state before it.
    config = tiny(steps=1, log_every=1, **{"evaluate.every": 0})
    config["optimizer"]["schedule"] = {"name": "constant", "value": float("inf")}
    with pytest.raises(
        FloatingPointError, match=r"params/\S+, .* after step 1; .*none"
    ):
        pretrain(config, str(tmp_path))


def test_several_steps_a_call_log_and_save_as_single_steps(whole, tmp_path):
    _, _, state = whole
    _, stacked = pretrain(tiny(steps_per_call=2), str(tmp_path))
    # Another program rounds otherwise, and twelve steps carry that on.
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)  # noqa: E731
    jax.tree.map(close, jax.device_get(stacked.params), state.params)
    assert [r["step"] for r in rows(tmp_path)] == [2, 4, 6, 8, 10, 12]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 12}, "batch_size=12 does not divide by 8 .* are 8 and 16"),
        ({"steps_per_call": 5}, "steps=12 is not a multiple of steps_per_call=5"),
        ({"log_every": 0}, "log_every must be positive; got 0"),
        ({"method.name": "simclar"}, "did you mean 'simclr'"),
        ({"views.first.sise": 3}, "no argument 'sise'.*did you mean 'size'"),
        ({"data.train": {"name": "synthetik"}}, "did you mean 'synthetic'"),
        ({"examples": 65}, r"synthetic/train has 64; give --config\.examples=64"),
        ({"evaluate.online": ({"name": "knm"},)}, "did you mean 'knn'"),
        ({"accumulate": 3}, "accumulate=3 does not divide the batch of 16"),
    ],
)
def test_mistakes_in_a_config_are_named(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        pretrain(tiny(**changes), str(tmp_path / "run"))


def test_an_unwritable_folder_is_named(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match=r"cannot be written.*another --workdir"):
        pretrain(tiny(), str(file / "run"))


def test_each_objective_may_have_its_own_optimizer():
    config = tiny()
    config["optimizer"] = {"ssl": config["optimizer"]}
    assert set(build_run(config).program.txs) == {"ssl"}
    config["optimizer"] = {"other": {"name": "sgd", "learning_rate": 0.1}}
    with pytest.raises(ValueError, match=r"\['other'\].*objectives are \['ssl'\]"):
        build_run(config)
