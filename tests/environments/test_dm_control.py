"""Tasks of DeepMind's control suite, where `pip install 'sslax[rl]'` was done."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import environments

pytest.importorskip("dm_control", reason="needs the extra rl")


def swing_up(**options):
    options = {"size": 24, "steps": 40, **options}
    return environments.dm_control(domain="cartpole", task="swingup", **options)


def test_a_task_is_drawn_and_moves_with_the_action():
    task = swing_up(repeat=8)
    assert (task.actions, task.length) == (1, 5)
    stacks = []
    for push in (-1.0, 1.0):
        play = environments.begin(task, jax.random.key(0))
        for _ in range(5):
            play, reward, ended = environments.advance(task, play, jnp.array([push]))
            assert 0 <= float(reward) <= 8
            assert not ended
        stacks.append(np.asarray(play.stack))
    assert stacks[0].shape == (24, 24, 9)
    assert stacks[0].std() > 10
    assert not np.array_equal(*stacks)


def test_an_episode_begins_as_its_key_says():
    task = swing_up()
    starts = [environments.begin(task, jax.random.key(i)).stack for i in (0, 1, 0)]
    np.testing.assert_array_equal(starts[0], starts[2])
    assert not np.array_equal(starts[0], starts[1])


@pytest.mark.parametrize(
    ("domain", "task", "message"),
    [
        ("cartpole", "swing_up", r"no task 'swing_up' of 'cartpole'; .*'swingup'"),
        ("cart", "swingup", r"no domain 'cart'; .*'cartpole'"),
    ],
)
def test_an_unknown_task_is_refused_with_those_there_are(domain, task, message):
    with pytest.raises(ValueError, match=message):
        environments.dm_control(domain=domain, task=task)


def test_no_opengl_is_said_with_what_to_install(monkeypatch):
    task = swing_up()

    def broken(*args, **kwargs):
        raise RuntimeError("No OpenGL rendering backend is available.")

    from dm_control.mujoco import Physics

    monkeypatch.setattr(Physics, "render", broken)
    with pytest.raises(ValueError, match=r"MUJOCO_GL is .*No OpenGL.*libegl1"):
        environments.begin(task, jax.random.key(0))
