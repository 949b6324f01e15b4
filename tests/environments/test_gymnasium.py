"""Tasks of gymnasium as environments: actions, time, ends, pictures, refusals."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import environments

KEY = jax.random.key(0)
TASKS = "tests.environments.tasks:"


def counted(task="Counted-v0", **options):
    options = {"size": 3, "frames": 2, **options}
    return environments.gymnasium(task=TASKS + task, **options)


def test_actions_are_scaled_to_the_tasks_own_and_hold():
    task = counted(repeat=2)
    assert (task.actions, task.length, task.size) == (2, 3, (3, 3))
    assert not task.compiled
    play = environments.begin(task, KEY)
    for first, reward in ((-1.0, -2.0), (0.0, 1.0), (7.0, 4.0)):
        action = jnp.array([first, 0.5])
        play, found, ended = environments.advance(task, play, action)
        assert float(found) == pytest.approx(2 * reward)
        assert not ended


def test_pictures_are_of_the_steps_and_stacked_oldest_first():
    task = counted(repeat=2)
    play = environments.begin(task, KEY)
    start = int(play.stack[0, 0, 0])
    assert play.stack.shape == (3, 3, 6)
    assert play.stack.dtype == jnp.uint8
    for _ in range(2):
        play, _, _ = environments.advance(task, play, jnp.zeros(2))
    expected = np.repeat([start + 2, start + 4], 3)
    np.testing.assert_array_equal(play.stack[1, 2], expected)


def test_an_episode_is_its_keys_and_is_not_touched_by_another():
    task = counted()
    one, two = (environments.begin(task, jax.random.key(i)) for i in (1, 2))
    starts = [int(play.stack[0, 0, 0]) for play in (one, two)]
    assert starts[0] != starts[1]
    one, _, _ = environments.advance(task, one, jnp.zeros(2))
    two, _, _ = environments.advance(task, two, jnp.zeros(2))
    assert int(one.stack[0, 0, -1]) == starts[0] + 1
    assert int(two.stack[0, 0, -1]) == starts[1] + 1
    again = environments.begin(task, jax.random.key(1))
    assert int(again.stack[0, 0, 0]) == starts[0]


def test_a_simulation_is_used_again_once_its_episode_is_forgotten(monkeypatch):
    import gymnasium

    made, make = [], gymnasium.make

    def counting(*args, **kwargs):
        made.append(args)
        return make(*args, **kwargs)

    monkeypatch.setattr(gymnasium, "make", counting)
    task = counted()
    for i in range(4):
        play = environments.begin(task, jax.random.key(i))
        del play
    assert len(made) == 1


def test_time_that_runs_out_is_no_end_and_an_end_is_one():
    rows = environments.random_steps(counted(repeat=4), count=5)
    assert rows["not_done"].min() == 1
    # Six steps: an action of four and one of two.
    first = -2 + 6 * (rows["action"][:, 0] + 1) / 2
    np.testing.assert_allclose(rows["reward"], first * [4, 2, 4, 2, 4], rtol=1e-5)
    rows = environments.random_steps(counted("Ending-v0"), count=7)
    np.testing.assert_array_equal(rows["not_done"], [1, 1, 0, 1, 1, 0, 1])


def test_episodes_are_as_long_as_is_said():
    assert counted(steps=4).length == 4
    assert counted("Endless-v0", steps=5, repeat=2).length == 3
    task = counted(steps=9)
    play = environments.begin(task, KEY)
    for _ in range(5):
        play, _, _ = environments.advance(task, play, jnp.zeros(2))
    with pytest.raises(ValueError, match="episodes of 6 steps, not of 9; give steps=6"):
        environments.advance(task, play, jnp.zeros(2))


def test_a_task_of_the_package_is_drawn():
    task = environments.gymnasium(task="Pendulum-v1", size=24)
    rows = environments.random_steps(task, count=3)
    assert task.length == 200
    assert rows["image"].shape == (3, 24, 24, 9)
    assert rows["image"].std() > 5
    assert not np.array_equal(rows["image"][2], rows["image"][0])
    assert (rows["reward"] < 0).all()


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("Counted-v0", {"size": 0}, "size must be positive and finite; got 0"),
        ("Counted-v0", {"steps": -1}, "steps must be 0 or more; got -1"),
        ("Counted-v1", {}, "Counted-v1 cannot be made: .*v0"),
        ("Endless-v0", {}, "no limit of time; give steps="),
        ("Blind-v0", {}, r"not drawn as pixels; render_modes are \['human'\]"),
        ("Discrete-v0", {}, r"has actions Discrete\(2\); .* Box"),
        ("Choices-v0", {}, r"has actions MultiDiscrete\("),
        ("Unbounded-v0", {}, "finite bounds"),
        ("Square-v0", {}, "one axis"),
    ],
)
def test_a_task_that_cannot_be_learned_is_refused(task, options, message):
    with pytest.raises(ValueError, match=message):
        counted(task, **options)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ValueError, match=r"pip install 'sslax\[rl\]'"):
        environments.gymnasium(task="Pendulum-v1")
    monkeypatch.setitem(sys.modules, "dm_control", None)
    with pytest.raises(ValueError, match=r"pip install 'sslax\[rl\]'"):
        environments.dm_control(domain="cartpole", task="swingup")
