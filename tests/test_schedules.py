"""Schedules against the closed forms of the recipes."""

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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: schedules.warmup_cosine(steps=5, warmup=5),
            "less than steps=5; got 5",
        ),
        (lambda: schedules.cosine(start=1, end=0, steps=0), "at least 1; got 0"),
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
