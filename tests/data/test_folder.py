"""A folder of images: splits, classes, links, sizes."""

import numpy as np
import pytest

from sslax import data


def test_class_folders_are_labels_in_sorted_order(folder):
    root = folder({"dog/b.jpg": None, "cat/z.JPG": None, "dog/a.png": None})
    source = data.source(f"folder:{root}")
    assert list(source.files) == ["cat/z.JPG", "dog/a.png", "dog/b.jpg"]
    assert source.class_names == ("cat", "dog")
    assert [source[i]["label"] for i in range(3)] == [0, 1, 1]
    assert [source[i]["index"] for i in range(3)] == [0, 1, 2]
    assert source[0]["image"].shape == (12, 16, 3)
    data.require_labels(source, "kNN")


def test_nested_folders_take_the_first_as_class(folder):
    root = folder({"cat/2020/1.jpg": None, "cat/1.jpg": None, "dog/x/y/1.jpg": None})
    source = data.folder(path=root)
    assert list(source.files) == ["cat/1.jpg", "cat/2020/1.jpg", "dog/x/y/1.jpg"]
    assert [source[i]["label"] for i in range(3)] == [0, 0, 1]


@pytest.mark.parametrize(
    "files", [["b.jpg", "a.jpg"], ["only/a.jpg", "only/b.jpg"], ["c.jpg", "x/a.jpg"]]
)
def test_folders_without_classes_have_no_labels(folder, files):
    source = data.folder(path=folder(dict.fromkeys(files)))
    assert source.num_classes is None
    assert all("label" not in example for example in source)


def test_classes_may_be_asked_for_or_refused(folder):
    root = folder({"a/1.jpg": None, "b/1.jpg": None})
    assert data.folder(path=root, classes="none").num_classes is None
    assert data.folder(path=root / "a").num_classes is None
    with pytest.raises(ValueError, match="in no class folder"):
        data.folder(path=root / "a", classes="folders")
    with pytest.raises(ValueError, match="classes is 'yes'"):
        data.folder(path=root, classes="yes")


@pytest.mark.parametrize("names", [("train", "test"), ("training", "testing")])
def test_split_folders_share_their_class_ids(folder, names):
    train, test = names
    root = folder(
        {
            **{f"{train}/{c}/1.jpg": None for c in "abc"},
            **{f"{test}/{c}/1.jpg": None for c in "bc"},
            ".cache/d/1.jpg": None,
        }
    )
    source = data.source(f"folder:{root}/{test}")
    assert source.class_names == ("a", "b", "c")
    assert [example["label"] for example in source] == [1, 2]
    # The folder alone is its training split.
    whole = data.source(f"folder:{root}")
    assert [example["label"] for example in whole] == [0, 1, 2]
    assert whole.class_names == source.class_names
    with pytest.raises(ValueError, match=rf"no folder for the split 'val'.*'{test}'"):
        data.source(f"folder:{root}/val")


def test_splits_of_other_names_share_their_class_ids_too(folder):
    root = folder(
        {
            **{f"fold1/{c}/1.jpg": None for c in "bc"},
            **{f"fold2/{c}/1.jpg": None for c in "abc"},
        }
    )
    source = data.folder(path=root, split="fold1")
    assert source.class_names == ("a", "b", "c")
    assert source.labels.tolist() == [1, 2]


def test_all_does_not_make_classes_of_splits(folder):
    root = folder(
        {f"{s}/{c}/1.jpg": None for s, c in (("train", "a"), ("val", "b"))}
        | {"train/b/2.jpg": None}
    )
    source = data.folder(path=root, split="all")
    assert source.class_names == ("a", "b")
    assert source.labels.tolist() == [0, 1, 1]
    loose = data.folder(
        path=folder({"x/train/1.jpg": None, "x/val/2.jpg": None}) / "x", split="all"
    )
    assert len(loose) == 2
    assert loose.num_classes is None


def test_a_class_that_is_called_train(folder):
    root = folder({f"{c}/{i}.jpg": None for c in ("bus", "train") for i in (1, 2)})
    with pytest.raises(ValueError, match=r"'train' and in \['bus'\]: say whether"):
        data.folder(path=root)
    assert data.folder(path=root, split="all").class_names == ("bus", "train")
    assert len(data.folder(path=root, split="train")) == 2


def test_without_a_training_folder_other_splits_stay_out(folder):
    root = folder({"cat/1.jpg": None, "dog/1.jpg": None, "test/dog/2.jpg": None})
    for form in (f"folder:{root}", f"folder:{root}/train"):
        source = data.source(form)
        assert source.class_names == ("cat", "dog")
        assert len(source) == 2
    assert data.source(f"folder:{root}/test").num_classes is None


def test_empty_and_missing_folders(folder, tmp_path):
    folder({"readme.txt": b"", ".hidden.jpg": None, ".git/1.jpg": None})
    with pytest.raises(ValueError, match=r"no image below .*\.jpg"):
        data.folder(path=tmp_path)
    with pytest.raises(ValueError, match="nowhere' does not exist"):
        data.source(f"folder:{tmp_path}/nowhere")
    with pytest.raises(ValueError, match=r"channels is 17; it must be in 1\.\.16"):
        data.folder(path=tmp_path, channels=17)
    with pytest.raises(ValueError, match="bits is 12"):
        data.folder(path=tmp_path, bits=12)


def test_links_are_followed_and_loops_are_not(folder, tmp_path):
    root = folder({"set/a/1.jpg": None, "set/b/2.jpg": None, "far/3.jpg": None}) / "set"
    (root / "a" / "loop").symlink_to(root)
    (root / "b" / "other").symlink_to(root / "a")
    (root / "c").symlink_to(tmp_path / "far")
    (root / "lost.jpg").symlink_to(tmp_path / "nowhere.jpg")
    source = data.folder(path=root)
    assert list(source.files) == ["a/1.jpg", "b/2.jpg", "c/3.jpg"]
    assert source.labels.tolist() == [0, 1, 2]


def test_images_of_all_modes_become_rgb(folder, picture):
    modes = {"L": "png", "RGBA": "png", "P": "png", "1": "png", "CMYK": "jpeg"}
    root = folder({f"{m}.{k}": picture(6, 9, k, m) for m, k in modes.items()})
    deep = np.full((6, 9), 0x80FF, np.uint16)
    from PIL import Image

    Image.fromarray(deep).save(root / "deep.png")
    source = data.folder(path=root)
    shapes = {example["image"].shape for example in source}
    assert shapes == {(6, 9, 3)}
    assert source.files[-1] == "deep.png"
    assert np.all(source[len(source) - 1]["image"] == 0x80)
    for channels in (1, 2, 4):
        other = data.folder(path=root, channels=channels)
        assert {example["image"].shape for example in other} == {(6, 9, channels)}


def test_images_of_one_size_need_no_canvas(folder, picture):
    root = folder({f"{i}.png": picture(6, 9, "png") for i in range(3)})
    source = data.folder(path=root)
    assert source.fields["image"].shape == (6, 9, 3)
    assert data.in_memory(source).arrays["image"].shape == (3, 6, 9, 3)


def test_one_of_another_size_is_named_when_it_comes(folder, picture):
    """Not every file is measured: 200 images, of which one is larger."""
    files = {f"{i:03}.png": picture(4, 4, "png") for i in range(200)}
    source = data.folder(path=folder({**files, "101.png": picture(5, 4, "png")}))
    assert source.fields["image"].shape == (4, 4, 3)
    with pytest.raises(ValueError, match=r"101\.png is of 5 x 4 pixels, .* of 4 x 4"):
        data.in_memory(source, on_error="skip")
    assert len(data.in_memory(source, canvas=5)) == 200
