"""A file that cannot be decoded stops the run by name, or is skipped and counted."""

import dataclasses
import errno
import logging
from pathlib import Path

import numpy as np
import pytest

from sslax import data

ALONE = {"process_index": 0, "process_count": 1}


@pytest.fixture
def damaged(folder, picture):
    """Five images; 1 is cut in the middle and 2 is no image at all."""
    whole = picture(40, 40)
    files = {f"{i}.jpg": whole for i in range(5)}
    files["1.jpg"] = whole[: len(whole) // 2]
    files["2.jpg"] = b"not an image"
    return data.folder(path=folder(files))


def test_stop_names_the_file(damaged):
    with pytest.raises(
        data.BadExample, match=r"1\.jpg cannot be decoded.*[Tt]runcated"
    ):
        damaged[1]
    with pytest.raises(
        data.BadExample, match=r"2\.jpg cannot be decoded.*on_error='skip'"
    ):
        damaged.load(2, canvas=16)
    with pytest.raises(data.BadExample, match=r"1\.jpg"):
        data.in_memory(damaged, canvas=40)
    with pytest.raises(data.BadExample, match=r"1\.jpg"):
        list(data.batches(damaged, 2, canvas=40))
    loader = data.loader(damaged, batch_size=5, canvas=40, memory=False, **ALONE)
    with pytest.raises(data.BadExample, match=r"[12]\.jpg"):
        loader.batch(0)
    with pytest.raises(data.BadExample, match=r"[12]\.jpg"):
        next(loader.iterate(0))


def test_skip_takes_the_next_good_one_and_counts(damaged, caplog):
    damaged = dataclasses.replace(damaged, on_error="skip")
    batches = {}
    for memory in (True, False):
        caplog.clear()
        options = {"batch_size": 5, "canvas": 40, "memory": memory, **ALONE}
        with caplog.at_level(logging.WARNING):
            loader = data.loader(damaged, **options)
            batches[memory] = loader.batch(0)
            next(loader.iterate(1))
        assert loader.skipped == 2
        warned = [r.getMessage() for r in caplog.records if "skipped" in r.getMessage()]
        assert len(warned) == 2, "one warning a file"
        assert "1.jpg" in warned[0]
        counts = np.bincount(batches[memory]["index"], minlength=5)
        np.testing.assert_array_equal(counts, [1, 0, 0, 3, 1])
    for key, value in batches[True].items():
        np.testing.assert_array_equal(value, batches[False][key])


def test_skip_in_workers_is_counted_too(damaged):
    """The workers are processes: what they skip reaches this one."""
    loader = data.loader(
        damaged,
        batch_size=5,
        canvas=40,
        memory=False,
        workers=2,
        on_error="skip",
        **ALONE,
    )
    stream = loader.iterate(0)
    batch = next(stream)
    stream.close()
    assert sorted(batch["index"]) == [0, 3, 3, 3, 4]
    assert loader.skipped == 2


def test_evaluation_leaves_skipped_ones_out(damaged, caplog):
    for source in (damaged, data.in_memory(damaged, canvas=40, on_error="skip")):
        batches = list(data.batches(source, 2, canvas=40, on_error="skip"))
        index = [batch["index"].tolist() for batch in batches]
        assert index == [[0, 3], [4]]
    assert data.in_memory(damaged, canvas=40, on_error="skip").bad == (1, 2)


def test_nothing_but_bad_examples(folder, caplog):
    source = data.folder(path=folder({"0.jpg": b"", "1.jpg": b"x"}))
    with pytest.raises(data.BadExample, match="none of the 2 examples"):
        data.in_memory(source, canvas=8, on_error="skip")


@pytest.mark.parametrize("kind", [errno.EMFILE, errno.EIO, errno.ESTALE])
def test_faults_of_the_machine_are_no_bad_images(folder, monkeypatch, kind):
    """They are raised, and not skipped: all of these files are good."""
    source = data.folder(path=folder({f"{i:02}.jpg": None for i in range(20)}))
    read = Path.read_bytes

    def faulty(path):
        if int(path.stem) % 3 == 0:
            raise OSError(kind, "the machine has a fault", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", faulty)
    loader = data.loader(source, batch_size=10, memory=False, on_error="skip", **ALONE)
    for call in (
        lambda: loader.batch(0),
        lambda: data.in_memory(source, on_error="skip"),
        lambda: list(data.batches(source, 4, on_error="skip")),
    ):
        with pytest.raises(OSError, match=r"a fault: .*\.jpg") as caught:
            call()
        assert caught.value.errno == kind


def test_faults_while_decoding_are_no_bad_images_either(damaged, monkeypatch):
    def no_more_files(*args, **options):
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr("sslax.data._fields.decode", no_more_files)
    with pytest.raises(OSError, match="too many open files"):
        data.in_memory(damaged, canvas=40, on_error="skip")


def test_a_file_that_went_away_stops_by_name(damaged):
    (Path(damaged.where(0))).unlink()
    for call in (
        lambda: damaged[0],
        lambda: list(data.batches(damaged, 2, canvas=40, on_error="skip")),
    ):
        with pytest.raises(FileNotFoundError, match=r"0\.jpg"):
            call()


def test_more_than_a_few_bad_ones_stop_the_run(folder):
    """11 of 40: it is no matter of a few files."""
    files = {f"{i:02}.jpg": None if i % 4 else b"not an image" for i in range(44)}
    source = data.folder(path=folder(files))
    message = "11 of the 44 examples .* more than the 5%"
    for call in (
        lambda: data.in_memory(source, on_error="skip"),
        lambda: list(data.batches(source, 8, on_error="skip")),
    ):
        with pytest.raises(data.BadExample, match=message):
            call()
    loader = data.loader(source, batch_size=8, memory=False, on_error="skip", **ALONE)
    with pytest.raises(data.BadExample, match=message):
        [loader.batch(step) for step in range(6)]


def test_a_copy_in_a_part_stands_for_itself(damaged, caplog):
    arrays = data.in_memory(damaged, canvas=40, on_error="skip")
    np.testing.assert_array_equal(arrays.arrays["index"], [0, 3, 3, 3, 4])
    part = data.part(of=dataclasses.replace(arrays, grouped=False), stop=3)
    np.testing.assert_array_equal(part.arrays["index"], [0, 1, 2])
    assert part.bad == (1, 2)
