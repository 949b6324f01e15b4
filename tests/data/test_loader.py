"""Batches: a function of the seed and the step, whoever loads them and however."""

import inspect

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from sslax import data
from sslax.data._order import batch_indices, permutation

ALONE = {"process_index": 0, "process_count": 1}


@pytest.fixture(scope="module")
def shapes():
    return data.synthetic(size=8, length=37)


def test_each_epoch_is_a_permutation_and_no_example_is_lost(shapes):
    loader = data.loader(shapes, batch_size=8, seed=5, **ALONE)
    assert loader.steps_per_epoch == 4
    stream = np.concatenate([loader.batch(k)["index"] for k in range(14)])
    epochs = [stream[e * 37 : (e + 1) * 37] for e in range(3)]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(37))
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], np.arange(37))
    other = data.loader(shapes, batch_size=8, seed=6, **ALONE)
    assert not np.array_equal(other.batch(0)["index"], stream[:8])


def test_a_batch_larger_than_the_set_is_refused(shapes):
    with pytest.raises(ValueError, match=r"batch_size is 38, and synthetic/train has"):
        data.loader(shapes, batch_size=38, **ALONE)
    whole = data.loader(shapes, batch_size=37, **ALONE)
    assert whole.steps_per_epoch == 1
    np.testing.assert_array_equal(np.sort(whole.batch(0)["index"]), np.arange(37))


def test_the_shapes_of_a_batch_are_known_without_one(shapes, folder):
    root = folder({f"{c}/{i}.jpg": None for c in "ab" for i in range(2)})
    for source, canvas in ((shapes, None), (shapes, 12), (data.folder(path=root), 20)):
        for memory in (True, False):
            loader = data.loader(
                source, batch_size=4, canvas=canvas, memory=memory, **ALONE
            )
            batch = loader.batch(0)
            got = {k: (x.shape, x.dtype) for k, x in batch.items()}
            assert {k: (x.shape, x.dtype) for k, x in loader.shapes.items()} == got
            known = data.shapes(source, batch_size=4, canvas=canvas)
            assert known == loader.shapes
    shared = data.loader(shapes, batch_size=4, process_index=1, process_count=2)
    assert shared.shapes["image"].shape == (4, 8, 8, 3)
    assert shared.batch(0)["image"].shape == (2, 8, 8, 3)


def test_batches_carry_their_own_examples(shapes):
    loader = data.loader(shapes, batch_size=6, seed=2, **ALONE)
    batch = loader.batch(3)
    assert batch["image"].dtype == np.uint8
    assert batch["label"].dtype == batch["index"].dtype == np.int32
    for row, index in enumerate(batch["index"]):
        for key, value in shapes[int(index)].items():
            np.testing.assert_array_equal(batch[key][row], value)


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("count", [2, 4])
def test_shares_of_processes_make_up_the_batch(shapes, memory, count):
    def load(p, n):
        loader = data.loader(
            shapes,
            batch_size=12,
            seed=1,
            memory=memory,
            process_index=p,
            process_count=n,
        )
        return [loader.batch(k) for k in (0, 3, 1000)]

    whole = load(0, 1)
    shares = [load(p, count) for p in range(count)]
    for k, batch in enumerate(whole):
        parts = [share[k] for share in shares]
        assert {len(part["index"]) for part in parts} == {12 // count}
        for key, value in batch.items():
            np.testing.assert_array_equal(
                np.concatenate([part[key] for part in parts]), value
            )


def test_memory_and_grain_with_any_workers_resume_alike(shapes):
    """One stream from step 3 on: in memory, by threads, by two processes."""
    reference = data.loader(shapes, batch_size=8, seed=9, memory=True, **ALONE)
    assert reference.memory
    for options in (
        {"memory": True},
        {"memory": False},
        {"memory": False, "workers": 2},
    ):
        loader = data.loader(shapes, batch_size=8, seed=9, **options, **ALONE)
        batches = loader.iterate(3)
        for k in (3, 4, 5):
            batch = next(batches)
            assert sorted(batch) == sorted(reference.batch(k))
            for key, value in reference.batch(k).items():
                np.testing.assert_array_equal(batch[key], value)
                assert batch[key].dtype == value.dtype
        batches.close()


def test_memory_is_chosen_by_size(shapes, monkeypatch):
    assert data.loader(shapes, batch_size=4, **ALONE).memory
    monkeypatch.setattr("sslax.data._loader.MEMORY_LIMIT", 37 * 8 * 8 * 3 - 1)
    assert not data.loader(shapes, batch_size=4, **ALONE).memory


def test_sizes_that_differ_need_a_canvas(folder, picture):
    root = folder({"a.png": picture(6, 9, "png"), "b.png": picture(9, 30, "png")})
    source = data.folder(path=root)
    for call in (
        lambda: data.loader(source, batch_size=2, **ALONE),
        lambda: data.in_memory(source),
        lambda: data.batches(source, 2),
    ):
        with pytest.raises(ValueError, match="differ in size: give canvas="):
            call()
    for memory in (True, False):
        loader = data.loader(source, batch_size=2, canvas=12, memory=memory, **ALONE)
        batch = loader.batch(0)
        assert batch["image"].shape == (2, 12, 12, 3)
        by_index = batch["box"][np.argsort(batch["index"])]
        np.testing.assert_array_equal(by_index, [[0, 0, 6, 9], [0, 0, 4, 12]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 10, "process_count": 4}, "10 does not divide by 4 processes"),
        ({"batch_size": 4, "process_index": 1}, "process_index is 1, of 1"),
        ({"batch_size": 4, "seed": -1}, "seed is -1"),
        ({"batch_size": 4, "workers": -1}, "workers is -1"),
        ({"batch_size": 4, "canvas": 0}, "canvas is 0"),
        ({"batch_size": 4, "memory": "no"}, "memory is 'no'"),
        ({"batch_size": 4, "on_error": "no"}, "on_error is 'no'"),
    ],
)
def test_mistakes(shapes, options, message):
    with pytest.raises(ValueError, match=message):
        data.loader(shapes, **{**ALONE, **options})


def test_steps_before_the_first_are_refused(shapes):
    loader = data.loader(shapes, batch_size=4, **ALONE)
    with pytest.raises(ValueError, match="step is -1"):
        loader.batch(-1)
    with pytest.raises(ValueError, match="start_step is -2"):
        loader.iterate(-2)


def test_evaluation_reads_all_in_order(shapes):
    for source in (shapes, data.in_memory(shapes)):
        batches = list(data.batches(source, 10))
        assert [len(batch["label"]) for batch in batches] == [10, 10, 10, 7]
        index = np.concatenate([batch["index"] for batch in batches])
        np.testing.assert_array_equal(index, np.arange(37))
        np.testing.assert_array_equal(batches[3]["image"][6], shapes[36]["image"])
    with pytest.raises(ValueError, match="batch_size is 0"):
        data.batches(shapes, 0)


def test_in_memory_is_done_once(shapes):
    arrays = data.in_memory(shapes)
    assert data.in_memory(arrays) is arrays
    assert data.loader(arrays, batch_size=4, **ALONE).source is arrays
    assert arrays.class_names == shapes.class_names


def test_batches_go_to_the_devices_they_belong_to(shapes):
    mesh = Mesh(np.array(jax.devices()), ("data",))
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    loader = data.loader(shapes, batch_size=16, seed=4)
    batches = data.to_device(loader.iterate(2), sharding, size=2)
    for k in (2, 3):
        batch = next(batches)
        for key, value in loader.batch(k).items():
            assert batch[key].sharding.is_equivalent_to(sharding, value.ndim)
            np.testing.assert_array_equal(batch[key], value)
    batches.close()
    taken = []
    counted = map(lambda k: taken.append(k) or loader.batch(k), range(9))
    next(data.to_device(counted, sharding, size=3))
    assert taken == [0, 1, 2], "the batches ahead of the one in use"
    part = data.part(of=data.synthetic(size=8, length=37), stop=32)
    finite = data.to_device(data.batches(part, 8), sharding, size=3)
    assert [b["index"][0].item() for b in finite] == [0, 8, 16, 24]
    with pytest.raises(ValueError, match="size is 0"):
        data.to_device(iter([]), sharding, size=0)


def test_an_error_of_the_background_thread_reaches_the_loop():
    from sslax.data._ahead import ahead

    def items():
        yield 1
        raise OSError("disk")

    stream = ahead(items(), size=2)
    assert next(stream) == 1
    with pytest.raises(OSError, match="disk"):
        next(stream)
    assert list(ahead(range(5), size=2)) == list(range(5))


def test_order_is_that_of_the_numpy_permutation():
    """The order is kept between versions: checkpoints depend on it."""
    order = np.random.default_rng((7, 0)).permutation(5)
    np.testing.assert_array_equal(permutation(7, 0, 5), order)
    indices = batch_indices(0, seed=7, length=5, batch_size=4)
    np.testing.assert_array_equal(indices, order[:4])
    np.testing.assert_array_equal(order, [2, 0, 4, 1, 3])


def test_what_is_no_source_is_told_how_it_becomes_one():
    loader = inspect.unwrap(data.loader)  # without the types that tests check
    images = np.zeros((4, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match=r"got ndarray: data\.source\(\.\.\.\) makes"):
        loader(images, batch_size=2)
    assert loader(data.source(images), batch_size=2).batch(0)["image"].shape[0] == 2
