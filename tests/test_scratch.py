"""Large arrays on disk: no file that stays, no room that is not there."""

import os
import tempfile

import numpy as np
import pytest

from sslax import scratch


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "LARGE", 100)
    return tmp_path


def test_a_large_array_is_a_file_that_goes_with_it(folder):
    small, large = (scratch.empty((n, 5), np.float32) for n in (5, 6))
    assert not isinstance(small, np.memmap)
    assert isinstance(large, np.memmap)
    assert large.shape == (6, 5)
    large[:] = np.arange(30).reshape(6, 5)
    np.testing.assert_array_equal(large.sum(axis=1), 25 * np.arange(6) + 10)
    assert os.listdir(folder) == []  # nothing that a killed process would leave


def test_a_disk_without_room_is_an_error_and_no_signal(folder, monkeypatch):
    def full(descriptor, start, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(
        ValueError, match=r"of 120 bytes does not .* set TMPDIR"
    ) as said:
        scratch.empty((6, 5), np.float32)
    assert str(folder) in str(said.value)
    assert scratch.room()[0] == str(folder)


@pytest.mark.parametrize("moved", [1, 40, 2**26])
def test_rows_are_kept_in_place(moved, monkeypatch):
    monkeypatch.setattr(scratch, "_MOVED", moved)
    rng = np.random.default_rng(0)
    x = scratch.empty((50, 3), np.float32)
    x[:] = rng.normal(size=(50, 3))
    kept = rng.random(50) < 0.6
    expected = x[kept].copy()
    found = scratch.keep(x, kept)
    np.testing.assert_array_equal(found, expected)
    assert np.shares_memory(found, x)
