"""The drawn swing-up against its physics, and what is played in it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import data, environments
from sslax.environments import _swing_up

KEY = jax.random.key(0)


def accelerations(state, push):
    """Of cart and pole, by Lagrange's two equations of a uniform rod, in NumPy."""
    _, angle, _, turn = state
    arm, inertia = 0.1 * 0.5, 0.1 / 3  # about the hinge: a rod of a metre
    mass = np.array([[1.1, arm * np.cos(angle)], [arm * np.cos(angle), inertia]])
    forces = [10 * push + arm * np.sin(angle) * turn**2, 9.81 * arm * np.sin(angle)]
    return np.linalg.solve(mass, forces)


def test_it_moves_by_lagranges_equations(rng):
    move = jax.jit(_swing_up._moved)
    for _ in range(4):
        state, push = rng.normal(size=4), rng.uniform(-1, 1)
        after = np.asarray(move(jnp.asarray(state), push))
        np.testing.assert_allclose(
            (after[2:] - state[2:]) / 0.01, accelerations(state, push), rtol=1e-3
        )
        np.testing.assert_allclose(after[:2], state[:2] + 0.01 * after[2:], rtol=1e-4)


def test_the_reward_is_that_of_the_pole_held_still_in_the_middle():
    environment = environments.swing_up(size=16, repeat=8)
    states = jnp.array([[0, 0, 0, 0], [0, np.pi, 0, 0], [1.8, 0, 0, 0], [0, 0, 0, 8]])
    still = jax.vmap(lambda s: environment.step(jnp.float32(s), jnp.zeros(1))[1])
    up, down, aside, fast = np.asarray(still(states)) / 8
    assert up == pytest.approx(1, abs=1e-3)
    assert down < 0.01
    assert 0.5 < aside < 0.7
    assert fast < 0.7
    pushed = environment.step(jnp.zeros(4), jnp.ones(1))[1] / 8
    assert pushed < 0.9


def test_a_picture_shows_where_cart_and_pole_are():
    environment = environments.swing_up(size=52)
    draw = jax.jit(environment.render)
    up, right = (
        draw(jnp.array([x, a, 0, 0])) for x, a in ((0.0, 0.0), (1.0, np.pi / 2))
    )
    pole = np.abs(np.asarray(up, int) - _swing_up.COLOURS[3]).sum(axis=-1) < 120
    rows, columns = np.nonzero(pole)
    assert columns.min() >= 24
    assert columns.max() <= 27
    assert 15 <= rows.min() <= rows.max() <= 27
    pole = np.abs(np.asarray(right, int) - _swing_up.COLOURS[3]).sum(axis=-1) < 120
    assert np.nonzero(pole)[1].min() >= 35
    assert np.nonzero(pole)[1].max() >= 44


def test_steps_of_chance_follow_each_other():
    environment = environments.swing_up(size=16, frames=2, repeat=100)  # of ten steps
    source = environments.transitions(environment=environment, length=24)
    batch = data.loader(source, batch_size=24, process_index=0, process_count=1).batch(
        0
    )
    rows = {k: x[np.argsort(batch["index"])] for k, x in batch.items()}
    stacks, after = rows["image"], rows["next_image"]
    np.testing.assert_array_equal(stacks[1:10], after[:9])
    np.testing.assert_array_equal(stacks[1:10, ..., :3], stacks[:9, ..., 3:])
    for start in (0, 10, 20):  # the first picture fills the stack
        np.testing.assert_array_equal(
            stacks[start, ..., :3], stacks[start, ..., 3:], str(start)
        )
    assert not np.array_equal(stacks[10], after[9])
    again = environments.random_steps(environment, count=24)
    np.testing.assert_array_equal(again["image"], stacks)
    assert np.abs(rows["action"]).max() <= 1
    assert rows["not_done"].min() == 1  # time that runs out is no end


def test_episodes_are_played_together_and_by_the_host_alike():
    environment = environments.swing_up(size=16, frames=1, repeat=250)

    def act(stacks, key, gain):
        del key
        return gain * jnp.ones((len(stacks), 1))

    together = environments.play_episodes(environment, act, count=3, shown=1)
    played = together(KEY, 0.5)
    assert played.rewards.shape == (3, 4)
    assert played.frames.shape == (1, 4, 16, 16, 3)
    host = environment._replace(
        compiled=False, reset=lambda key: jnp.array([0, 3.0, 0, 0])
    )
    one = environments.play_episodes(host, act, count=1)(KEY, 0.5)
    same = host._replace(compiled=True)
    many = environments.play_episodes(same, act, count=2, shown=1)(KEY, 0.5)
    np.testing.assert_allclose(one.rewards[0], many.rewards[1], rtol=1e-5)
    np.testing.assert_array_equal(one.frames[0], many.frames[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 8}, "size is 8"),
        ({"repeat": 0}, "repeat is 0"),
        ({"frames": 0}, "frames is 0"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        environments.swing_up(**options)
