"""Sources by name: folders, drawn shapes, parts of splits, and clear errors."""

import numpy as np
import pytest

from sslax import data
from sslax.data._synthetic import SHAPES


def test_class_folders_are_labels_in_sorted_order(folder):
    root = folder({"dog/b.jpg": None, "cat/z.JPG": None, "dog/a.png": None})
    source = data.source(f"folder:{root}", "train")
    assert source.files == ("cat/z.JPG", "dog/a.png", "dog/b.jpg")
    assert source.class_names == ("cat", "dog")
    assert [source[i]["label"] for i in range(3)] == [0, 1, 1]
    assert [source[i]["index"] for i in range(3)] == [0, 1, 2]
    assert source[0]["image"].shape == (12, 16, 3)
    assert source.image_shape is None
    data.require_labels(source, "kNN")


def test_nested_folders_take_the_first_as_class(folder):
    root = folder({"cat/2020/1.jpg": None, "cat/1.jpg": None, "dog/x/y/1.jpg": None})
    source = data.source("folder", "train", path=root)
    assert source.files == ("cat/1.jpg", "cat/2020/1.jpg", "dog/x/y/1.jpg")
    assert [source[i]["label"] for i in range(3)] == [0, 0, 1]


@pytest.mark.parametrize(
    "files", [["b.jpg", "a.jpg"], ["only/a.jpg", "only/b.jpg"], ["c.jpg", "x/a.jpg"]]
)
def test_folders_without_classes_have_no_labels(folder, files):
    source = data.source("folder", "train", path=folder(dict.fromkeys(files)))
    assert source.num_classes is None
    assert [example["label"] for example in source] == [-1, -1]
    with pytest.raises(ValueError, match=r"linear probe needs labels.*folder:"):
        data.require_labels(source, "the linear probe")


def test_classes_may_be_asked_for_or_refused(folder):
    root = folder({"a/1.jpg": None, "b/1.jpg": None})
    assert data.source("folder", "train", path=root, classes="none").num_classes is None
    assert data.source("folder", "train", path=root / "a").num_classes is None
    with pytest.raises(ValueError, match="in no class folder"):
        data.source("folder", "train", path=root / "a", classes="folders")
    with pytest.raises(ValueError, match="classes is 'yes'"):
        data.source("folder", "train", path=root, classes="yes")


def test_split_folders_share_their_class_ids(folder):
    root = folder(
        {
            **{f"train/{c}/1.jpg": None for c in "abc"},
            **{f"test/{c}/1.jpg": None for c in "bc"},
            ".cache/d/1.jpg": None,
        }
    )
    test = data.source(f"folder:{root}", "test")
    assert test.class_names == ("a", "b", "c")
    assert [example["label"] for example in test] == [1, 2]
    with pytest.raises(ValueError, match=r"no folder for the split 'val'.*'test'"):
        data.source(f"folder:{root}", "val")


def test_empty_and_missing_folders(folder, tmp_path):
    folder({"readme.txt": b"", ".hidden.jpg": None, ".git/1.jpg": None})
    with pytest.raises(ValueError, match=r"no image below .*\.jpg"):
        data.source("folder", "train", path=tmp_path)
    with pytest.raises(ValueError, match="nowhere' does not exist"):
        data.source(f"folder:{tmp_path}/nowhere", "train")
    with pytest.raises(ValueError, match="needs path="):
        data.source("folder", "train")


def test_images_of_all_modes_become_rgb(folder, picture):
    modes = {"L": "png", "RGBA": "png", "P": "png", "1": "png", "CMYK": "jpeg"}
    root = folder({f"{m}.{k}": picture(6, 9, k, m) for m, k in modes.items()})
    deep = np.full((6, 9), 0x80FF, np.uint16)
    from PIL import Image

    Image.fromarray(deep).save(root / "deep.png")
    source = data.source("folder", "train", path=root)
    shapes = {example["image"].shape for example in source}
    assert shapes == {(6, 9, 3)}
    assert source.files[-1] == "deep.png"
    assert np.all(source[len(source) - 1]["image"] == 0x80)
    grey = data.source("folder", "train", path=root, channels=1)
    assert {example["image"].shape for example in grey} == {(6, 9, 1)}


def test_synthetic_depends_on_seed_split_and_index_alone():
    source = data.source("synthetic", "train", size=24, length=40)
    again = data.source("synthetic", "train", size=24, length=16)
    for key, value in source[11].items():
        np.testing.assert_array_equal(value, again[11][key])
    others = (
        source[19],
        data.source("synthetic", "test", size=24)[11],
        data.source("synthetic", "train", size=24, seed=1)[11],
    )
    for other in others:
        assert other["label"] == source[11]["label"]
        assert not np.array_equal(other["image"], source[11]["image"])
    np.testing.assert_array_equal(np.bincount([e["label"] for e in source]), [5] * 8)


@pytest.mark.parametrize("label", range(len(SHAPES)))
def test_synthetic_mask_is_exact(label):
    """Inside the mask the front texture shows, outside the back one, and no mixture."""
    size, index = 48, label + 8
    source = data.source("synthetic", "train", size=size)
    example = source[index]
    mask = example["foreground"]
    assert mask.shape == (size, size)
    assert mask.dtype == np.uint8
    assert 0.02 < mask.mean() < 0.4
    # Replay the draw: five numbers for the scene, then the textures in order.
    from sslax.data._synthetic import _texture

    rng = np.random.default_rng((*source.seeds, index))
    radius = rng.uniform(0.15, 0.3)
    centre = rng.uniform(radius, 1 - radius, 2)
    rng.uniform(0, 2 * np.pi)
    at = (np.arange(size) + 0.5) / size
    front, back = (np.rint(255 * _texture(rng, at)) for _ in range(2))
    wanted = np.where(mask[..., None] == 1, front, back)
    np.testing.assert_array_equal(example["image"], wanted)
    # The whole shape lies in a disc about its position.
    np.testing.assert_allclose(example["position"], centre * size, rtol=1e-6)
    rows, columns = np.nonzero(mask)
    away = np.hypot(rows + 0.5 - centre[0] * size, columns + 0.5 - centre[1] * size)
    assert away.max() <= 1.45 * radius * size
    assert away.max() >= 0.8 * radius * size


def test_parts_of_splits():
    whole = data.source("synthetic", "train", size=8, length=10)
    part = data.source("synthetic", "train[20%:-1]", size=8, length=10)
    assert len(part) == 7
    assert part[0]["index"] == 0
    np.testing.assert_array_equal(part[0]["image"], whole[2]["image"])
    assert part.num_classes == 8
    arrays = data.in_memory(whole).slice(2, 9)
    np.testing.assert_array_equal(arrays[6]["image"], part[6]["image"])
    assert arrays[6]["index"] == 6
    with pytest.raises(ValueError, match="nothing is left"):
        data.source("synthetic", "train[5:5]", size=8)
    with pytest.raises(ValueError, match=r"split 'train\[a:\]' is not understood"):
        data.source("synthetic", "train[a:]")
    with pytest.raises(IndexError, match="10 examples, not 10"):
        whole[10]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("fashion_mnist_smaple", {}, "did you mean 'fashion_mnist_sample'"),
        ("cifra10", {}, "did you mean 'cifar10'"),
        ("zzz", {}, "no set is called 'zzz'; There are fashion_mnist_sample"),
        ("synthetic:x", {}, "did you mean 'synthetic'"),
        ("cifar10", {}, r"pip install 'sslax\[tf\]', then sslax prepare cifar10"),
        ("cifar10", {"size": 3}, "cifar10 has no option 'size'"),
        ("synthetic", {"sise": 3}, "no option 'sise'; it has size, length"),
        ("synthetic", {"size": 0}, "size is 0"),
        ("synthetic", {"on_error": "ignore"}, "'ignore'; it must be 'stop' or 'skip'"),
    ],
)
def test_mistakes_in_names_and_options(name, options, message, data_dir):
    with pytest.raises(ValueError, match=message):
        data.source(name, "train", data_dir=data_dir, **options)


def test_a_missing_split_names_the_others(sample, data_dir):
    with pytest.raises(ValueError, match="no split 'val'; it has train, test"):
        data.source("fashion_mnist_sample", "val", data_dir=data_dir)
    part = data.source("fashion_mnist_sample", "train[:10]", data_dir=data_dir)
    assert len(part) == 10
    np.testing.assert_array_equal(part[9]["image"], sample["train"][9]["image"])


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
