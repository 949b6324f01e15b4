"""A feed that acts: what is drawn of what was done, exact resume, what is refused."""

import itertools
import json
import shutil
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from sslax import calls
from sslax.results.evaluation import evaluate_run
from sslax.train import replay, steps_done, workdir
from sslax.train.feed import Feeder
from sslax.train.loop import pretrain, train
from sslax.train.run import build_run
from tests.train.acting_config import get_config

# What is run once for all tests here would else be run once a worker.
pytestmark = pytest.mark.xdist_group("replay")


def acting(changes=()):
    config = json.loads(
        json.dumps(get_config().to_dict(), default=lambda reference: reference.get())
    )
    for path, value in dict(changes).items():
        *parts, last = path.split(".")
        node = config
        for part in parts:
            node = node[part]
        node[last] = value
    return config


def equal(a, b):
    a, b = jax.device_get((a, b))
    jax.tree.map(np.testing.assert_array_equal, a, b)


def anew(run, *, fails_after=None):
    """The run with a feed that has done nothing, and that may be cut off."""
    feeder = calls.build(run.config["feed"], Feeder)
    feed = feeder(run.config, run.loader, run.program)
    batches = feed.batches
    if fails_after:
        feed = feed._replace(
            batches=lambda *given: itertools.islice(batches(*given), fails_after)
        )
    return run._replace(feed=feed)


def rows(folder):
    return [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run, state = pretrain(acting(), str(folder))
    return folder, run, jax.device_get(state)


def picture(number):
    return np.full((2, 2, 3), number, np.uint8)


def turn(number, *, over=False, ended=False):
    """The step to picture `number`; its action and reward tell the number."""
    return SimpleNamespace(
        action=[number],
        reward=float(number),
        ended=ended,
        over=over,
        frame=picture(number),
        first=picture(number + 100),
    )


def test_stacks_never_reach_into_another_episode_or_what_is_gone():
    done = steps_done.empty((2, 2), 1, 12)
    steps_done.add_frame(done, picture(0), time=0)
    for number in range(1, 16):
        over = number in (4, 9)
        steps_done.add_step(done, turn(number, over=over, ended=number == 9))
    assert done["acted"] == 15
    assert done["episodes"] == 2
    assert done["last_return"] == 5 + 6 + 7 + 8 + 9
    batch = steps_done.sample(done, 400, frames=3, seed=(0, 1))
    seen = {}
    for i, reward in enumerate(batch["reward"]):
        stacks = [batch[k][i, 0, 0].tolist()[::3] for k in ("image", "next_image")]
        seen[int(reward)] = (*stacks, float(batch["not_done"][i]))
    # Of 12 places, pictures 6 to 15 and 109 are there, and that of the place after.
    assert seen[15] == ([12, 13, 14], [13, 14, 15], 1.0)
    assert seen[10] == ([109, 109, 109], [109, 109, 10], 1.0)
    assert seen[9] == ([6, 7, 8], [7, 8, 9], 0.0)
    assert 5 not in seen
    assert set(seen) <= set(range(6, 16))


def test_an_agent_learns_by_the_program_of_any_method(whole):
    folder, _, state = whole
    assert int(state.step) == 8
    table = rows(folder)
    assert [r["step"] for r in table] == [2, 4, 6, 8]
    assert [r["step"] for r in table if "return" in r] == [4, 8]
    # 25 steps of chance and one at each step of training, ten an episode.
    assert [r["episode/count"] for r in table] == [2, 2, 3, 3]
    assert {"critic/loss", "actor/loss", "temperature/loss", "contrast/loss"} < set(
        table[0]
    )
    kept = {p.name for p in (folder / "feed").iterdir()}
    assert kept == {"4", "6", "8"}


def test_a_run_that_was_cut_off_goes_on_bit_for_bit(whole, tmp_path):
    """With what it has done, where its episode stands, and numbers of who rests."""
    folder, run, state = whole
    opened = workdir.open_workdir(str(tmp_path), run.config)
    seldom = {**run.config, "checkpoint": {**run.config["checkpoint"], "every": 5}}
    train(anew(run, fails_after=7)._replace(config=seldom), opened)
    resumed = train(anew(run), opened)
    equal(resumed, state)
    # After the checkpoint of step 5 the actor rests; row 6 has its number of step 5.
    assert [row["step"] for row in rows(tmp_path)] == [2, 4, 5, 6, 8]
    ours, theirs = (
        [{**row, "images_per_second": 0} for row in table if row["step"] != 5]
        for table in (rows(tmp_path), rows(folder))
    )
    assert ours == theirs


def test_an_agent_of_the_host_begins_an_episode_where_it_goes_on(
    tmp_path, caplog, monkeypatch
):
    """A picture of this task is as bright as steps were done from a random start."""
    done = {}

    def kept(steps, *given, **named):
        done.update(steps)
        return steps_done.sample(steps, *given, **named)

    monkeypatch.setattr(replay, "sample", kept)
    environment = {"name": "gymnasium", "task": "tests.environments.tasks:Single-v0"}
    environment |= {"size": 16, "frames": 2}
    task = {"name": "episodes", "environment": environment, "count": 1}
    changes = {"data.train.environment": environment, "feed.environment": environment}
    changes |= {"evaluate.tasks": [task], "evaluate.online": [task]}
    run = build_run(acting(changes))
    opened = workdir.open_workdir(str(tmp_path), run.config)
    train(anew(run, fails_after=3), opened)
    with caplog.at_level("WARNING"):
        state = train(anew(run), opened)
    assert int(state.step) == 8
    assert "Single-v0 goes on with a new episode" in caplog.text
    assert [row["step"] for row in rows(tmp_path) if "return" in row] == [4, 8]
    every = steps_done.sample(done, 400, frames=2, seed=(0, 0))
    image, after = (every[k][:, 0, 0, ::3].astype(int) for k in ("image", "next_image"))
    np.testing.assert_array_equal(after[:, 0], image[:, 1])
    np.testing.assert_array_equal(after[:, 1], image[:, 1] + 1)
    assert {*(image[:, 1] - image[:, 0])} == {0, 1}  # 0 where an episode begins


def test_the_report_has_returns_and_a_film(whole, capsys):
    folder, run, state = whole
    results = evaluate_run(run, state, str(folder))
    assert results["network"]["return"] == pytest.approx(rows(folder)[-1]["return"])
    assert "return" in results["random network"]
    assert "return" not in results["raw pixels"]
    said = capsys.readouterr().out
    assert "note: actions drawn at random return" in said
    page = (folder / "report.html").read_text()
    assert "<h2>Episodes</h2>" in page
    assert "return" in page


def test_what_does_not_fit_is_refused_before_the_first_step():
    with pytest.raises(ValueError, match=r"acts by the output 'action'.*actions=1"):
        build_run(acting({"method.actions": None}))
    with pytest.raises(ValueError, match=r"image of data.train has the shape \(20"):
        build_run(acting({"data.train.environment.size": 20}))
    with pytest.raises(ValueError, match="start is 25 and capacity 10"):
        build_run(acting({"feed.capacity": 10}))


@pytest.mark.parametrize("damage", ["cut", "emptied", "removed", "of objects"])
def test_a_damaged_buffer_is_a_damaged_checkpoint(whole, tmp_path, damage, caplog):
    folder, run, state = whole
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    file = copy / "feed" / "8" / "steps.npz"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    if damage == "of objects":
        np.savez(file, frame=np.array([{}], dtype=object))
    if damage == "removed":
        file.unlink()
    equal(train(anew(run), workdir.open_workdir(str(copy), run.config)), state)
    assert "falling back to the one before" in caplog.text
    assert (copy / "damaged" / "8").exists()


def test_a_buffer_of_another_size_is_no_damage(whole, tmp_path):
    folder, *_ = whole
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    with pytest.raises(ValueError, match=r"pictures .* keeps 30 of"):
        pretrain(acting({"feed.capacity": 30}), str(copy), allow_config_change=True)
    assert not (copy / "damaged").exists()
