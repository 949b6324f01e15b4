"""Sources: drawn shapes, own arrays, two side by side, and clear errors."""

import numpy as np
import pytest

from sslax import data
from sslax.data._synthetic import SHAPES

ALONE = {"process_index": 0, "process_count": 1}


def test_synthetic_depends_on_seed_split_and_index_alone():
    source = data.synthetic(size=24, length=40)
    again = data.synthetic(size=24, length=16)
    for key, value in source[11].items():
        np.testing.assert_array_equal(value, again[11][key])
    others = (
        source[19],
        data.synthetic(split="test", size=24)[11],
        data.synthetic(size=24, seed=1)[11],
    )
    for other in others:
        assert other["label"] == source[11]["label"]
        assert not np.array_equal(other["image"], source[11]["image"])
    np.testing.assert_array_equal(np.bincount([e["label"] for e in source]), [5] * 8)
    np.testing.assert_array_equal(source.labels, [e["label"] for e in source])


def test_objects_are_shapes_whose_textures_follow_their_class():
    plain, none = data.synthetic(size=16), data.objects(size=16, share=0.0)
    np.testing.assert_array_equal(none[11]["image"], plain[11]["image"])
    same = data.objects(size=16, split="test", share=1.0)
    colours = []
    for i in (3, 11, 19, 4):
        example, drawn = same[i], data.synthetic(size=16, split="test")[i]
        shape = example["foreground"].astype(bool)
        np.testing.assert_array_equal(example["image"][~shape], drawn["image"][~shape])
        colours.append(example["image"][shape].astype(float))
    # Between the same two colours wherever it lies: a class on a line of its own.
    assert off_a_line(np.concatenate(colours[:3])) < 0.05
    assert off_a_line(np.concatenate(colours)) > 0.2
    with pytest.raises(ValueError, match=r"share is 2; expected 0 to 1"):
        data.objects(share=2)


def off_a_line(points):
    """The second deviation of points over their first."""
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return spread[1] / spread[0]


@pytest.mark.parametrize("label", range(len(SHAPES)))
def test_synthetic_foreground_is_exact(label):
    """Its edge is where the picture changes, and its middle is the position."""
    size = 64
    example = data.synthetic(size=size)[label + 8]
    mask, position = example["foreground"], example["position"]
    assert mask.shape == (size, size)
    assert mask.dtype == np.uint8
    assert 0.02 < mask.mean() < 0.4
    # Waves are smooth: steps between neighbours on one side are small beside those
    # over the edge.
    pixels = example["image"].astype(int)
    steps, edges = [], []
    for axis in (0, 1):
        steps.append(np.abs(np.diff(pixels, axis=axis)).max(-1).ravel())
        edges.append(np.diff(mask.astype(int), axis=axis).ravel() != 0)
    step, edge = np.concatenate(steps), np.concatenate(edges)
    assert edge.sum() > 20
    assert np.median(step[edge]) > 3 * np.median(step[~edge])
    # A mask that is one pixel off loses most of that.
    off = np.concatenate([np.roll(e.reshape(s), 2).ravel() for e, s in _grids(edges)])
    assert np.median(step[edge]) > 1.5 * np.median(step[off])
    # The whole shape lies in a disc about its position.
    rows, columns = np.nonzero(mask)
    away = np.hypot(rows + 0.5 - position[0], columns + 0.5 - position[1])
    assert away.max() <= 1.45 * 0.3 * size
    assert away.max() >= 0.8 * 0.15 * size


def _grids(edges, size=64):
    return zip(edges, ((size - 1, size), (size, size - 1)), strict=True)


def test_arrays_are_a_source():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    depth = rng.normal(size=(6, 2)).astype(np.float32)
    mine = data.arrays(images, labels=[0, 1, 2] * 2, fields={"depth": depth})
    batch = data.loader(mine, batch_size=4, **ALONE).batch(2)
    for key, all_of_it in {"image": images, "depth": depth}.items():
        np.testing.assert_array_equal(batch[key], all_of_it[batch["index"]])
    assert mine.num_classes == 3
    grey = data.source(images[..., 0])
    assert grey.num_classes is None
    assert "label" not in grey[0]
    assert grey[5]["image"].shape == (8, 8, 1)
    assert data.source(grey) is grey
    floats = data.arrays(images / 255.0)
    assert floats[0]["image"].dtype == np.float32
    assert data.shapes(floats, batch_size=2)["image"].dtype == np.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": np.zeros((2, 8))}, r"images are float64 \[2, 8\]; expected"),
        ({"images": np.zeros((2, 8, 8), np.int64)}, "images are int64"),
        ({"labels": [0, 1, 2]}, r"has 2 images, and label of shape \(3,\)"),
        ({"labels": [0.5, 1.0]}, "labels are float64"),
        ({"labels": [0, 3], "class_names": "ab"}, "a label is 3, but there are 2"),
    ],
)
def test_arrays_that_do_not_fit(options, message):
    call = {"images": np.zeros((2, 8, 8), np.uint8), **options}
    with pytest.raises(ValueError, match=message):
        data.arrays(**call)


def test_an_unlabelled_set_has_batches_without_label(folder):
    source = data.folder(path=folder({"a.jpg": None, "b.jpg": None}))
    loader = data.loader(source, batch_size=2, **ALONE)
    assert sorted(loader.batch(0)) == ["image", "index"] == sorted(loader.shapes)


def test_unpaired_draws_the_partner_anew_by_seed_and_step():
    pairs = data.unpaired(
        first=data.synthetic(size=8, length=4), second=data.synthetic(size=8, length=9)
    )
    assert len(pairs) == 9
    assert pairs.pictures == ("image", "other")
    options = {"batch_size": 6, "seed": 3, "canvas": 12}
    loader = data.loader(pairs, **options, **ALONE)
    assert not loader.memory, "in memory the partners would stay together"
    batches = [loader.batch(k) for k in range(6)]
    first, second = (data.synthetic(size=8, length=n) for n in (4, 9))
    others = [tuple(e["image"].ravel()) for e in second]
    partners: dict[int, set] = {}
    for batch in batches:
        assert batch["image"].shape == batch["other"].shape == (6, 12, 12, 3)
        assert batch["box"].shape == batch["other_box"].shape == (6, 4)
        for row, index in enumerate(batch["index"]):
            image = batch["image"][row, :8, :8]
            np.testing.assert_array_equal(image, first[int(index) % 4]["image"])
            place = others.index(tuple(batch["other"][row, :8, :8].ravel()))
            partners.setdefault(int(index), set()).add(place)
    assert max(map(len, partners.values())) > 2
    # The shares of two processes make up the batch, and so does reading ahead.
    shares = [
        data.loader(pairs, **options, process_index=p, process_count=2).batch(4)
        for p in (0, 1)
    ]
    stream = loader.iterate(4)
    ahead = next(stream)
    stream.close()
    for key, value in batches[4].items():
        np.testing.assert_array_equal(
            np.concatenate([share[key] for share in shares]), value
        )
        np.testing.assert_array_equal(ahead[key], value)
    with pytest.raises(ValueError, match="memory is True, but unpaired"):
        data.loader(pairs, batch_size=6, memory=True, **ALONE)
    held = data.in_memory(pairs)
    np.testing.assert_array_equal(held[7]["other"], pairs[7]["other"])


def test_labels_are_asked_for(folder):
    source = data.folder(path=folder({"b.jpg": None, "a.jpg": None}))
    with pytest.raises(ValueError, match=r"linear probe needs labels.*folder:"):
        data.require_labels(source, "the linear probe")
    with pytest.raises(ValueError, match="needs labels"):
        data.read_labels(source)


def test_the_schedule_is_held_to_the_data():
    source = data.synthetic(length=64)
    data.check_examples(source, 64, batch_size=64)
    with pytest.raises(ValueError, match=r"1281167 examples.*--config\.examples=64"):
        data.check_examples(source, 1281167, batch_size=16)
    with pytest.raises(ValueError, match=r"only 64 examples; .*batch_size=64 or less"):
        data.check_examples(source, 64, batch_size=96)


def test_classes_of_training_and_test_must_agree(folder):
    files = ["one/ant/1.jpg", "one/bee/1.jpg", "two/bee/1.jpg", "two/cat/1.jpg"]
    root = folder(dict.fromkeys(files))
    one, two = (data.folder(path=root / name) for name in ("one", "two"))
    with pytest.raises(ValueError, match=r"different classes.*\['ant', 'cat'\]"):
        data.check_classes(one, two)
    data.check_classes(one, data.folder(path=root / "two/bee"))


def test_preparing(data_dir, sample, monkeypatch):
    folder = data.prepare("fashion_mnist_sample", data_dir)
    assert folder.is_relative_to(data_dir)
    with pytest.raises(ValueError, match="needs no preparing"):
        data.prepare("synthetic")
    with pytest.raises(ValueError, match="did you mean 'cifar10'"):
        data.prepare("cifra10", data_dir)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"needs TensorFlow.*pip install 'sslax\[tf\]'"
    ):
        data.prepare("cifar10", data_dir)


def test_where_sets_are_kept(monkeypatch, tmp_path):
    from sslax.data._tfds import default_data_dir

    monkeypatch.setenv("SSLAX_DATA_DIR", str(tmp_path / "mine"))
    assert default_data_dir() == tmp_path / "mine"
    monkeypatch.delenv("SSLAX_DATA_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_data_dir() == tmp_path / "cache" / "sslax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / ".cache" / "sslax"
