"""What processes tell each other, with threads in their place."""

import threading

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

from sslax.train.together import from_first, gathered


@pytest.fixture
def two(monkeypatch):
    """Calls a function as process 0 and as process 1, at the same time."""
    number, meeting = threading.local(), threading.Barrier(2, timeout=20)
    rows = [None, None]

    def allgather(row):
        rows[number.value] = row
        meeting.wait()
        found = np.stack(rows)
        meeting.wait()
        return found

    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda: number.value)
    monkeypatch.setattr(multihost_utils, "process_allgather", allgather)

    def run(function):
        results = [None, None]

        def work(i):
            number.value = i
            try:
                results[i] = function(i)
            except Exception as error:
                results[i] = error

        threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    return run


def test_all_hear_what_each_says(two):
    long = "é" * 5000
    assert two(lambda i: gathered(f"I am {i}")) == [["I am 0", "I am 1"]] * 2
    assert two(lambda i: gathered(long if i else "")) == [["", long[:2048]]] * 2


def test_the_first_decides_for_all(two):
    called = []

    def decide(i):
        called.append(i)
        return [3, 2, 1]

    assert two(lambda i: from_first(lambda: decide(i))) == [[3, 2, 1]] * 2
    assert called == [0]


@pytest.mark.parametrize("kind", [ValueError, OSError])
def test_a_refusal_of_the_first_is_a_refusal_of_all(two, kind):
    def decide():
        raise kind("another config:\n  seed: 0 -> 1" + "x" * 9000)

    first, second = two(lambda i: from_first(decide))
    assert type(first) is kind
    assert type(second) is ValueError
    assert "process 0 stopped: " in str(second)
    assert "seed: 0 -> 1" in str(second)
