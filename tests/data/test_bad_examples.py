"""A file that cannot be decoded stops the run by name, or is skipped and counted."""

import logging

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
    return data.source("folder", "train", path=folder(files))


def test_stop_names_the_file(damaged):
    with pytest.raises(data.BadExample, match=r"1\.jpg cannot be read.*[Tt]runcated"):
        damaged[1]
    with pytest.raises(
        data.BadExample, match=r"2\.jpg cannot be read.*on_error='skip'"
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
    damaged.on_error = "skip"
    batches = {}
    for memory in (True, False):
        caplog.clear()
        options = {"batch_size": 10, "canvas": 40, "memory": memory, **ALONE}
        with caplog.at_level(logging.WARNING):
            loader = data.loader(damaged, **options)
            batches[memory] = loader.batch(0)
            next(loader.iterate(1))
        assert loader.skipped == 2
        warned = [r.getMessage() for r in caplog.records if "skipped" in r.getMessage()]
        assert len(warned) == 2, "one warning a file"
        assert "1.jpg" in warned[0]
        counts = np.bincount(batches[memory]["index"], minlength=5)
        np.testing.assert_array_equal(counts, [2, 0, 0, 6, 2])
    for key, value in batches[True].items():
        np.testing.assert_array_equal(value, batches[False][key])


def test_skip_in_workers_is_counted_too(damaged):
    from sslax.data._loader import Loader, Reader

    reader = Reader(
        source=damaged,
        batch_size=5,
        seed=0,
        canvas=40,
        on_error="skip",
        **ALONE,
    )
    loader = Loader(reader, memory=False, workers=0, prefetch=1)
    stream = loader.iterate(0)
    next(stream)
    stream.close()
    assert loader.skipped == 2


def test_evaluation_leaves_skipped_ones_out(damaged, caplog):
    for source in (damaged, data.in_memory(damaged, canvas=40, on_error="skip")):
        batches = list(data.batches(source, 2, canvas=40, on_error="skip"))
        index = [batch["index"].tolist() for batch in batches]
        assert index == [[0, 3], [4]]
    assert data.in_memory(damaged, canvas=40, on_error="skip").bad == (1, 2)


def test_nothing_but_bad_examples(folder, caplog):
    source = data.source("folder", "train", path=folder({"0.jpg": b"", "1.jpg": b"x"}))
    with pytest.raises(data.BadExample, match="none of the 2 examples"):
        data.in_memory(source, canvas=8, on_error="skip")


def test_a_file_that_went_away_is_a_bad_example(damaged):
    (damaged.root / "0.jpg").unlink()
    with pytest.raises(data.BadExample, match=r"0\.jpg cannot be read"):
        damaged[0]


def test_a_copy_outside_of_a_part_stands_for_itself(damaged, caplog):
    arrays = data.in_memory(damaged, canvas=40, on_error="skip")
    np.testing.assert_array_equal(arrays.arrays["index"], [0, 3, 3, 3, 4])
    part = arrays.slice(0, 3)
    np.testing.assert_array_equal(part.arrays["index"], [0, 1, 2])
    assert part.bad == (1, 2)
