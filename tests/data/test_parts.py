"""Parts of sources: cut, drawn in proportion, few of each class, listed."""

import numpy as np
import pytest

from sslax import data


@pytest.fixture
def classes(folder):
    """Folders of 20, 10 and 5 images."""
    counts = {"a": 20, "b": 10, "c": 5}
    root = folder({f"{c}/{i}.jpg": None for c, n in counts.items() for i in range(n)})
    return data.folder(path=root)


def test_a_set_in_order_is_cut():
    whole = data.synthetic(size=8, length=10)
    part = data.part(of=whole, start="20%", stop=-1)
    assert len(part) == 7
    assert part[0]["index"] == 0
    np.testing.assert_array_equal(part[0]["image"], whole[2]["image"])
    assert part.num_classes == 8
    arrays = data.part(of=data.in_memory(whole), start=2, stop=9)
    np.testing.assert_array_equal(arrays[6]["image"], part[6]["image"])
    assert arrays[6]["index"] == 6
    assert part.where(0) == "example 2 of synthetic/train"
    with pytest.raises(ValueError, match="nothing is left"):
        data.part(of=whole, start=5, stop=5)
    with pytest.raises(IndexError, match="10 examples, not 10"):
        whole[10]


def test_parts_of_class_folders_hold_every_class(classes):
    root = classes.name
    train = data.source(f"{root}[:80%]")
    test = data.source(f"{root}[80%:]")
    assert np.bincount(train.labels).tolist() == [16, 8, 4]
    assert np.bincount(test.labels).tolist() == [4, 2, 1]
    assert sorted([*train.files, *test.files]) == sorted(classes.files)
    assert list(data.source(f"{root}[:80%]").files) == list(train.files)
    assert train.class_names == test.class_names == classes.class_names
    # They are drawn, not the first of each class by name.
    assert [f for f in train.files if f[0] == "c"] != [f"c/{i}.jpg" for i in range(4)]
    for position, example in enumerate(test):
        assert example["index"] == position
        assert example["label"] == test.labels[position]
        assert test.where(position).endswith(test.files[position])


def test_a_fraction_keeps_the_classes_in_proportion(classes):
    few = data.subset(of=classes, fraction=0.2)
    assert np.bincount(few.labels).tolist() == [4, 2, 1]
    other = data.subset(of=classes, fraction=0.2, seed=1)
    assert list(few.files) != list(other.files)
    assert list(few.files) == list(data.subset(of=classes, fraction=0.2).files)
    assert len(data.subset(of=classes, fraction=1.0)) == 35


def test_labels_are_read_where_they_are_not_known(sample):
    source = sample["test"]
    assert source.labels is None
    few = data.subset(of=source, fraction=0.01)
    np.testing.assert_array_equal(np.bincount(data.read_labels(few)), [5] * 10)
    two = data.subset(of=source, per_class=2)
    np.testing.assert_array_equal(np.bincount(data.read_labels(two)), [2] * 10)
    places = [source[i]["image"].tobytes() for i in range(200)]
    first = data.part(of=source, stop=200)
    assert [e["image"].tobytes() for e in first] == places


def test_unlabelled_folders_are_drawn_too(folder):
    source = data.folder(path=folder({f"{i:02}.jpg": None for i in range(20)}))
    half = data.part(of=source, stop="50%")
    assert len(half) == 10
    assert list(half.files) != list(source.files[:10])
    assert len(data.subset(of=source, fraction=0.25)) == 5
    with pytest.raises(ValueError, match="needs labels"):
        data.subset(of=source, per_class=1)


def test_lists_of_files_and_of_positions(classes, tmp_path):
    (tmp_path / "list.txt").write_text("b/3.jpg\n\na/7.jpg\n")
    listed = data.subset(of=classes, file=tmp_path / "list.txt")
    assert list(listed.files) == ["a/7.jpg", "b/3.jpg"]
    (tmp_path / "list.txt").write_text("34\n0\n")
    assert list(data.subset(of=classes, file=tmp_path / "list.txt").labels) == [0, 2]
    for text, message in (
        ("35\n", "lists 35; .* has 35 examples"),
        ("b/3.jpg\nz.jpg", "lists 1 files .* the first 'z.jpg'"),
        ("\n", "lists nothing"),
    ):
        (tmp_path / "list.txt").write_text(text)
        with pytest.raises(ValueError, match=message):
            data.subset(of=classes, file=tmp_path / "list.txt")
    (tmp_path / "list.txt").write_text("a.jpg")
    with pytest.raises(ValueError, match="has no files; give positions"):
        data.subset(of=data.synthetic(), file=tmp_path / "list.txt")


def test_bare_names_are_found(folder, tmp_path):
    source = data.folder(path=folder({"a/x1.jpg": None, "b/y2.jpg": None}))
    (tmp_path / "list.txt").write_text("y2.jpg")
    assert data.subset(of=source, file=tmp_path / "list.txt").labels.tolist() == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of fraction, per_class and file; got none"),
        ({"fraction": 0.1, "per_class": 1}, "one of fraction, per_class and file"),
        ({"fraction": 0.0}, "fraction is 0.0"),
        ({"fraction": 1.5}, "fraction is 1.5"),
        ({"per_class": 6}, "per_class is 6, but a class of .* has only 5"),
        ({"per_class": 0}, "per_class is 0"),
    ],
)
def test_mistakes(classes, options, message):
    with pytest.raises(ValueError, match=message):
        data.subset(of=classes, **options)
