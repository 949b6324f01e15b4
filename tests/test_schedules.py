"""Schedules against the closed forms of the recipes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sslax import schedules


def values(schedule, steps):
    return np.array([float(schedule(s)) for s in steps])


def test_cosine_is_byols_momentum():
    steps = np.array([0, 1, 250, 999, 1000, 1200])
    done = np.minimum(steps, 1000) / 1000
    expected = 1 - (1 - 0.996) * (1 + np.cos(np.pi * done)) / 2
    schedule = schedules.cosine(start=0.996, end=1.0, steps=1000)
    np.testing.assert_allclose(values(schedule, steps), expected, rtol=1e-6)


def test_warmup_cosine_peaks_at_the_end_of_the_warmup():
    schedule = schedules.warmup_cosine(steps=110, warmup=10, start=0.2, end=0.1)
    got = values(schedule, [0, 5, 9, 10, 60, 110, 200])
    tail = 0.1 + 0.9 * (1 + np.cos(np.pi * 0.5)) / 2
    np.testing.assert_allclose(
        got, [0.2, 0.6, 0.92, 1.0, tail, 0.1, 0.1], rtol=1e-5, atol=1e-7
    )


def test_step_decay_counts_in_units_and_warms_up():
    schedule = schedules.step_decay(boundaries=(2, 3), factor=0.1, unit=10, warmup=4)
    np.testing.assert_allclose(
        values(schedule, [0, 2, 4, 19, 20, 29, 30]),
        [0, 0.5, 1, 1, 0.1, 0.1, 0.01],
        rtol=1e-6,
    )
    listed = schedules.step_decay(boundaries=(1,), values=(0.3,))
    np.testing.assert_allclose(values(listed, [0, 1]), [1, 0.3], rtol=1e-6)


def test_warmup_may_end_on_its_last_step_as_in_dino():
    schedule = schedules.warmup_cosine(steps=20, warmup=5, start=0.2, inclusive=True)
    rise = np.linspace(0.2, 1.0, 5)
    tail = (1 + np.cos(np.pi * np.arange(15) / 15)) / 2
    got = values(schedule, range(20))
    np.testing.assert_allclose(got, [*rise, *tail], rtol=1e-5)
    one = schedules.warmup_cosine(steps=4, warmup=1, inclusive=True)
    assert np.isfinite(values(one, range(4))).all()


def test_supcon_warms_up_to_a_cosine_of_epochs_that_has_begun():
    """Its released code: epochs count from 1, the warm-up goes by steps."""
    epochs, per_epoch, warm, lr, floor = 8, 3, 2, 0.5, 0.5 * 0.1**3

    def cosine_at(epoch):
        return floor + (lr - floor) * (1 + np.cos(np.pi * epoch / epochs)) / 2

    want = []
    for epoch in range(1, epochs + 1):
        for i in range(per_epoch):
            part = ((epoch - 1) * per_epoch + i) / (warm * per_epoch)
            rise = 0.01 + part * (cosine_at(warm) - 0.01)
            want.append(rise if epoch <= warm else cosine_at(epoch))
    by_epoch = schedules.by_epoch(
        schedule=schedules.cosine(start=1.0, end=1e-3, steps=epochs),
        steps_per_epoch=per_epoch,
        first=1,
    )
    schedule = schedules.warmed_up(
        schedule=by_epoch, steps=warm * per_epoch, start=0.01 / lr
    )
    got = lr * values(schedule, range(epochs * per_epoch))
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert schedules.warmed_up(schedule=by_epoch, steps=0) is by_epoch


def test_simmims_rate_is_set_after_the_update_and_its_cosine_runs_from_the_start():
    """Its code and timm's: the first two updates have the same rate."""
    total, warm, start, floor = 12, 4, 5e-3, 0.05

    def at(t):
        rise = start + t * (1 - start) / warm
        return (
            rise
            if t < warm
            else floor + (1 - floor) * (1 + np.cos(np.pi * t / total)) / 2
        )

    cosine = schedules.cosine(start=1.0, end=floor, steps=total)
    rate = schedules.warmed_up(schedule=cosine, steps=warm, start=start, end=1.0)
    late = schedules.by_epoch(schedule=rate, steps_per_epoch=1, first=-1)
    want = [at(max(step - 1, 0)) for step in range(total)]
    np.testing.assert_allclose(values(late, range(total)), want, rtol=1e-6)


def test_temperature_of_dino_moves_once_an_epoch():
    warm = schedules.ramp(start=0.04, end=0.07, steps=29)
    temperature = schedules.by_epoch(schedule=warm, steps_per_epoch=3)
    epochs = np.concatenate([np.linspace(0.04, 0.07, 30), np.full(10, 0.07)])
    np.testing.assert_allclose(
        values(temperature, range(120)), np.repeat(epochs, 3), rtol=1e-5
    )
    falling = schedules.ramp(start=1.0, end=0.0, steps=4, delay=2)
    np.testing.assert_allclose(
        values(falling, range(8)), [1, 1, 1, 0.75, 0.5, 0.25, 0, 0], atol=1e-7
    )


def test_beit_warms_up_from_zero_and_meets_the_peak_twice():
    schedule = schedules.warmup_cosine(steps=12, warmup=4, end=0.1, inclusive=True)
    cosine = 0.1 + 0.9 * (1 + np.cos(np.pi * np.arange(8) / 8)) / 2
    wanted = [*np.linspace(0.0, 1.0, 4), *cosine]
    np.testing.assert_allclose(values(schedule, range(12)), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        (schedules.cosine(start=1.0, end=0.0, steps=7), (1 + np.cos(np.pi / 7)) / 2),
        (schedules.ramp(start=1.0, end=0.0, steps=7), 6 / 7),
        (schedules.warmup_cosine(steps=9, warmup=7), 1 / 7),
        (schedules.step_decay(boundaries=(1,), factor=0.1), 0.1),
        (schedules.step_decay(boundaries=(3,), factor=0.1, warmup=7), 1 / 7),
    ],
)
def test_a_count_of_32_bits_gives_values_of_64_where_these_are_on(schedule, wanted):
    with jax.enable_x64(True):
        value = jax.jit(schedule)(jnp.int32(1))
        assert value.dtype == jnp.float64
        np.testing.assert_allclose(value, wanted, rtol=1e-14)
    assert jax.jit(schedule)(jnp.int32(1)).dtype == jnp.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: schedules.warmup_cosine(steps=5, warmup=5),
            "less than steps=5; got 5",
        ),
        (lambda: schedules.cosine(start=1, end=0, steps=0), "at least 1; got 0"),
        (lambda: schedules.ramp(start=1, end=0, steps=0), "at least 1; got 0"),
        (
            lambda: schedules.ramp(start=1, end=0, steps=1, delay=-1),
            "at least 0; got -1",
        ),
        (
            lambda: schedules.by_epoch(schedule=float, steps_per_epoch=0),
            "steps_per_epoch must be at least 1; got 0",
        ),
        (lambda: schedules.step_decay(boundaries=(1,)), "factor or values"),
        (
            lambda: schedules.step_decay(boundaries=(2, 1), factor=0.1),
            r"must ascend; got \(2, 1\)",
        ),
        (
            lambda: schedules.step_decay(boundaries=(1, 2), values=(0.1,)),
            "2 boundaries need as many values",
        ),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
