"""Queues, banks, centres and averages against their plainest description."""

from collections import deque

import chex
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from sslax import losses, memory


@pytest.fixture
def annotations_off():
    """The checks of the functions themselves are under test."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def draw(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


@pytest.mark.parametrize(("places", "batch"), [(12, 4), (10, 4), (7, 7), (5, 3)])
def test_queue_holds_the_newest_whatever_the_batch(places, batch):
    queue, head = draw(0, places, 2), jnp.int32(0)
    plain = deque(np.asarray(queue), maxlen=places)
    enqueue = jax.jit(memory.enqueue)
    for step in range(6):
        items = draw(step + 1, batch, 2)
        queue, head = enqueue(queue, head, items)
        plain.extend(np.asarray(items))
        oldest_first = np.roll(np.asarray(queue), -int(head), axis=0)
        assert np.array_equal(oldest_first, np.stack(plain))
    assert head == (6 * batch) % places
    assert head.dtype == jnp.int32


def test_push_puts_the_newest_first():
    queue = draw(0, 5, 2)
    items = draw(1, 2, 2)
    expected = np.concatenate([items, queue[:3]])
    assert np.array_equal(memory.push(queue, items), expected)
    assert np.array_equal(memory.push(queue, queue[::-1]), queue[::-1])


@pytest.mark.parametrize("items", [jnp.ones((4, 2)), jnp.ones((2, 3))])
def test_what_does_not_fit_a_queue_is_refused(annotations_off, items):
    with pytest.raises(ValueError, match="do not fit the queue"):
        memory.enqueue(jnp.ones((3, 2)), jnp.int32(0), items)
    with pytest.raises(ValueError, match="do not fit the queue"):
        memory.push(jnp.ones((3, 2)), items)


def test_ema_mixes_floats_and_takes_counters():
    old = {"w": jnp.array([1.0, 2.0]), "half": jnp.ones(2, jnp.bfloat16), "n": 3}
    new = {"w": jnp.array([3.0, 2.0]), "half": jnp.zeros(2, jnp.bfloat16), "n": 4}
    mixed = memory.ema(old, new, momentum=0.75)
    assert mixed["w"].tolist() == [1.5, 2.0]
    assert mixed["half"].dtype == jnp.bfloat16
    assert mixed["half"].tolist() == [0.75, 0.75]
    assert mixed["n"] == 4
    traced = jax.jit(memory.ema)(old, new, momentum=0.75)
    chex.assert_trees_all_close(traced, mixed)
    chex.assert_trees_all_close(memory.ema(old, new, momentum=1.0)["w"], old["w"])
    chex.assert_trees_all_close(memory.ema(old, new, momentum=0.0)["w"], new["w"])


@pytest.mark.parametrize("momentum", [-0.1, 1.1])
def test_momentum_is_a_share(momentum):
    x = jnp.ones((2, 2))
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\]"):
        memory.ema(x, x, momentum=momentum)
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\]"):
        memory.update_bank(x, jnp.arange(2), x, momentum=momentum)


def test_bank_rows_are_mixed_and_normalised():
    bank, items = losses.unit(draw(0, 6, 3)), losses.unit(draw(1, 2, 3))
    index = jnp.array([4, 1])
    new = memory.update_bank(bank, index, items, momentum=0.25)
    mixed = 0.25 * bank[index] + 0.75 * items
    chex.assert_trees_all_close(new[index], losses.unit(mixed), atol=1e-6)
    untouched = jnp.array([0, 2, 3, 5])
    assert np.array_equal(new[untouched], bank[untouched])
    opposite = memory.update_bank(bank, index, -bank[index], momentum=0.5)
    chex.assert_trees_all_close(opposite, bank, atol=1e-6)


def test_constant_makes_the_mean_probability_one_in_n():
    scores = 50 * draw(0, 4, 5)
    log_z = memory.log_constant(scores, size=100)
    probabilities = np.exp(np.asarray(scores, np.float64) - float(log_z))
    assert probabilities.mean() == pytest.approx(0.01, rel=1e-4)
    with pytest.raises(ValueError, match="positive size"):
        memory.log_constant(scores, size=0)


def test_centre_is_a_moving_mean_over_all_rows():
    logits = draw(0, 2, 3, 4)
    centre = memory.update_centre(jnp.ones(4), logits, momentum=0.9)
    expected = 0.9 + 0.1 * np.asarray(logits).reshape(-1, 4).mean(0)
    chex.assert_trees_all_close(centre, jnp.asarray(expected), atol=1e-6)


def test_what_does_not_fit_is_refused(annotations_off):
    x = jnp.ones((4, 3))
    with pytest.raises(ValueError, match="do not fit the bank"):
        memory.update_bank(x, jnp.arange(1), x[:2])
    with pytest.raises(ValueError, match="width of the logits"):
        memory.update_centre(jnp.ones(2), x)


@pytest.mark.parametrize("momentum", [1.5, -0.1, lambda step: 1.5 - step])
def test_a_teacher_follows_between_standing_still_and_copying(momentum):
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\]"):
        memory.follows(("encoder",), momentum=momentum)
